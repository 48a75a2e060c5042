"""Answers of GET that are the same each time: the tag that stands for one, made of whatever decides it."""

from __future__ import annotations

from service.models.served_model import ServedModel
from service.settings import Settings
from service.verbs.options import O
from service.verbs.verb import Verb
from service.wire.caching import RELEASE, Keeping, cache_control_of, tag
from service.wire.head import Head


def keeping_of(
    verb: Verb[O], options: O, model: ServedModel, answered_as: str, head: Head, settings: Settings
) -> Keeping | None:
    """What is said of an answer that may be kept; None where it is not always the same.

    It is known before anything is computed.
    """
    if verb.repeats is None or not verb.repeats(options):
        return None
    by = (model.digest, RELEASE, model.engine, settings.precision)
    etag = tag(verb.options.__name__, *by, options.model_dump_json(), answered_as)
    return Keeping(etag, cache_control_of(head.model))
