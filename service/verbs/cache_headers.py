"""Entity tags for repeatable GET answers, made from everything that determines the answer."""

from __future__ import annotations

from service.models.served_model import ServedModel
from service.settings import Settings
from service.verbs.options import O
from service.verbs.verb import Verb
from service.wire.caching import RELEASE, CacheHeaders, cache_control_of, tag
from service.wire.head import Head


def cache_headers_of(
    verb: Verb[O], options: O, model: ServedModel, answered_as: str, head: Head, settings: Settings
) -> CacheHeaders | None:
    """The caching headers of a repeatable answer; None where the answer is not the same each time.

    Known before the answer is computed.
    """
    if verb.repeats is None or not verb.repeats(options):
        return None
    by = (model.digest, RELEASE, model.engine, settings.precision)
    etag = tag(verb.options.__name__, *by, options.model_dump_json(), answered_as)
    return CacheHeaders(etag, cache_control_of(head.model))
