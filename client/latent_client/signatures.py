"""Methods that show the signature and docstring of the function that they call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
M = TypeVar("M", bound=Callable[..., object])


def showing(plan: Callable[P, object], method: M, *, returns: str | None = None) -> M:
    """Give a method the signature of `plan`, and as its result `returns` or the type in the plan's Call[…]."""
    functools.update_wrapper(method, plan)
    signature = inspect.signature(plan)
    myself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    answer = returns or str(signature.return_annotation).removeprefix("Call[").removesuffix("]")
    method.__dict__["__signature__"] = signature.replace(
        parameters=[myself, *signature.parameters.values()], return_annotation=answer
    )
    return method
