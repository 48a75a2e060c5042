"""Gradient steps in bfloat16, if the CPU computes in it: wide convolutions take two thirds of the time.

Weights, codes, logits and losses stay float32, and so does all that is not the gradient step: validation, evaluation
and what is exported (mixed precision, Micikevicius et al. 2018, arXiv:1710.03740; bfloat16 has float32's range, so
that no loss has to be scaled).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from model_store.machine import cpu_flags
from training.builders.base import HEADS, Networks

Precision = Literal["float32", "bfloat16"]
Layer = Any

_UNITS = frozenset({"avx512_bf16", "amx_bf16"})


@contextmanager
def computing_in(precision: Precision, networks: Networks) -> Iterator[None]:
    """Trace functions whose inner layers compute in `precision`, or in float32 if the CPU has no bfloat16."""
    lowered = _inner_layers(networks) if precision == "bfloat16" and cpu_has_bfloat16() else []
    before = [layer.dtype_policy for layer in lowered]
    for layer in lowered:
        layer.dtype_policy = "mixed_bfloat16"
    try:
        yield
    finally:
        for layer, policy in zip(lowered, before, strict=True):
            layer.dtype_policy = policy


def cpu_has_bfloat16(cpu_info: str | None = None) -> bool:
    """Whether the CPU multiplies in bfloat16, by Linux' list of what it can; without one it is taken not to."""
    return not _UNITS.isdisjoint(cpu_flags(cpu_info))


def _inner_layers(networks: Networks) -> list[Layer]:
    """All layers of both networks except their output layers: the code's, and the last one with weights of each."""
    inner: list[Layer] = []
    for network in (networks.encoder, networks.decoder):
        layers = network.layers
        last = max((i for i, layer in enumerate(layers) if layer.weights), default=len(layers))
        inner += [layer for layer in layers[:last] if layer.name not in HEADS]
    return inner
