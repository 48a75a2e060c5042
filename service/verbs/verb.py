"""The description of a verb endpoint: its function, options, body types and answer types."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Literal

from service.errors import UnknownOption
from service.verbs.call import Call, Result
from service.verbs.options import O, read_options
from service.wire.negotiation import ARRAYS
from service.wire.payload import Payload


@dataclass(frozen=True)
class Verb(Generic[O]):
    """A verb endpoint: its function, options, body types and answer types."""

    run: Callable[[Call, O], Coroutine[Any, Any, Result]]
    options: type[O]
    bodies: Sequence[str] = ()
    """Content types of bodies that the endpoint reads; none for GET."""
    fields: Sequence[str] = ()
    """Fields of a JSON body that are not options."""
    half: Literal["encoder", "decoder"] = "encoder"
    """The half of the model whose queue a request enters first."""
    pictures: Sequence[str] = ()
    """Picture types of answers, for image models."""
    picture_first: bool = False
    """Whether a picture is the default answer, for requests without Accept."""
    repeats: Callable[[O], bool] | None = None
    """For GET: whether equal options always give an equal answer, so that clients may cache it."""

    @cached_property
    def with_pictures(self) -> tuple[str, ...]:
        """All answer types for an image model, the default first."""
        return (*self.pictures, *ARRAYS) if self.picture_first else (*ARRAYS, *self.pictures)

    @cached_property
    def defaults(self) -> O:
        """The options of a request without options."""
        return read_options(self.options, {}, ())

    @cached_property
    def known_fields(self) -> frozenset[str]:
        """Names that the arrays of a body may have: its fields, and that of an npy file."""
        return frozenset((*self.fields, "npy"))

    def check_fields(self, payload: Payload) -> None:
        """Raise UnknownOption where a JSON body holds `inputs`, `images` or `z` and the verb does not read it."""
        if payload.source != "json":
            return
        given = [*payload.arrays, "images"] if payload.images is not None else list(payload.arrays)
        for name in given:
            if name not in self.fields:
                options = (field.alias or option for option, field in self.options.model_fields.items())
                known = ", ".join([*self.fields, *options])
                raise UnknownOption.at(
                    [name], f"{name!r} has no meaning here", expected=f"one of {known}", got=repr(name)
                )
