"""What a verb is to whoever answers requests: what it runs, reads and can answer."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Literal

from service.verbs.call import Call, Result
from service.verbs.options import O, read_options
from service.wire.negotiation import ARRAYS


@dataclass(frozen=True)
class Verb(Generic[O]):
    """What an endpoint runs, reads and can answer."""

    run: Callable[[Call, O], Coroutine[Any, Any, Result]]
    options: type[O]
    bodies: Sequence[str] = ()
    """Content types that are read; none for GET."""
    fields: Sequence[str] = ()
    """What a JSON body holds beside options."""
    half: Literal["encoder", "decoder"] = "encoder"
    """Whose queue a request comes to first."""
    pictures: Sequence[str] = ()
    """Picture types that an image model answers."""
    picture_first: bool = False
    """Whether a client that does not say gets a picture."""
    repeats: Callable[[O], bool] | None = None
    """Of a GET: whether such options are always answered alike, so that the answer may be kept."""

    @cached_property
    def with_pictures(self) -> tuple[str, ...]:
        """Types that can be answered for an image model, the default first."""
        return (*self.pictures, *ARRAYS) if self.picture_first else (*ARRAYS, *self.pictures)

    @cached_property
    def defaults(self) -> O:
        """The options of a request that has none."""
        return read_options(self.options, {}, ())
