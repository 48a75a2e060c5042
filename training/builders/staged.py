"""Convolutional networks written down layer by layer, in the shorthand that papers use.

A stage is a string of words, applied from left to right:

- `c3-32` a 3 × 3 convolution with 32 filters, `t3-64` a transposed one; `dense-128` a fully connected layer (of a
  map, flattened); `to-7x7x32` a fully connected layer shaped into a map; each may be followed by `s2` (stride 2),
  `valid` (padding; else `same`) and `nobias`;
- `bn` batch normalisation; `relu`, `leaky_relu`, `tanh`, `elu`, `silu`; `mp2` 2 × 2 max pooling, `same`; `up2` 2 × 2
  nearest upsampling.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field

from training.builders.base import Code, Networks, SymbolicTensor, affine, code_heads, join, networks
from training.sections import Activation, LatentConfig, Section

_LAYER = re.compile(r"(?P<kind>[ct])(?P<kernel>[1-9])-(?P<filters>[1-9]\d*)|dense-(?P<units>[1-9]\d*)")
_MAP = re.compile(r"to-([1-9]\d*)x([1-9]\d*)x([1-9]\d*)")
_OPTIONS = ("s2", "valid", "nobias")
_PLAIN = ("bn", "mp2", "up2", *get_args(Activation))


def _check(stage: str) -> str:
    words = stage.split()
    for before, word in zip([None, *words], words, strict=False):
        layer = _LAYER.fullmatch(word) or _MAP.fullmatch(word)
        follows = before is not None and (_LAYER.fullmatch(before) or _MAP.fullmatch(before) or before in _OPTIONS)
        if not (layer or word in _PLAIN or (word in _OPTIONS and follows)):
            raise ValueError(f"expected words such as c3-32, t3-64 s2 valid, dense-128, bn, relu, mp2; not {word!r}")
    if not words:
        raise ValueError("expected a layer")
    return stage


Stage = Annotated[str, AfterValidator(_check)]


class Staged(Section):
    """A list of stages each way; the decoder's last one answers the logits."""

    builder: Literal["staged"] = "staged"
    encoder: Annotated[tuple[Stage, ...], Field(min_length=1, description="stages from image to code")]
    decoder: Annotated[tuple[Stage, ...], Field(min_length=1, description="stages from code to image")]
    code: Literal["dense", "map"] = Field(
        "dense", description="map: the encoder's last map, flattened, is the code, and the decoder starts from it"
    )

    @property
    def family(self) -> str:
        """The network's part of the manifest's `family`."""
        return "convolutional"

    def refuses(self, shape: tuple[int, ...], latent: LatentConfig) -> str | None:
        """Say why this network cannot train on items of a shape, or None if it can."""
        if len(shape) != 3:
            return f"convolutions need images, but the data are vectors of {shape[-1]} values"
        if self.code == "map" and latent.distribution == "gaussian":
            return "a map can only be a code that is deterministic (model.code, latent.distribution)"
        return None

    def build(self, shape: tuple[int, ...], latent: LatentConfig, classes: int = 0) -> Networks:
        """Build both networks for images (height, width, channels). Raises ValueError if the outputs' shape differs."""
        import keras

        smallest: list[tuple[int, ...]] = []

        def encode(x: SymbolicTensor, labels: SymbolicTensor | None) -> Code:
            x = _apply(self.encoder, x)
            smallest.append(tuple(x.shape[1:]))
            flat = keras.layers.Flatten()(x)
            if self.code == "dense":
                return code_heads(join(flat, labels), latent)
            if flat.shape[1] != latent.dim:
                raise ValueError(f"the encoder's last map has {flat.shape[1]} values: set latent.dim to that")
            return {"z": flat}

        def decode(z: SymbolicTensor, labels: SymbolicTensor | None) -> SymbolicTensor:
            x = join(z, labels)
            x = _apply(self.decoder, x if self.code == "dense" else keras.layers.Reshape(smallest[0])(x))
            if tuple(x.shape[1:]) != shape:
                raise ValueError(f"model.decoder ends in {tuple(x.shape[1:])}, but the images are {shape}")
            return x

        return networks(shape, latent, classes, encode, decode)


def _apply(stages: tuple[str, ...], x: SymbolicTensor) -> SymbolicTensor:
    for stage in stages:
        words = stage.split()
        for i, word in enumerate(words):
            if word in _OPTIONS:
                continue
            options = []
            for following in words[i + 1 :]:
                if following not in _OPTIONS:
                    break
                options.append(following)
            x = _layer(word, options, x)
    return x


def _layer(word: str, options: list[str], x: SymbolicTensor) -> SymbolicTensor:
    import keras

    layers = keras.layers
    plain: dict[str, Any] = {
        "bn": layers.BatchNormalization,
        "mp2": lambda: layers.MaxPooling2D(2, padding="same"),
        "up2": lambda: layers.UpSampling2D(2),
    }
    if word in plain:
        return plain[word]()(x)
    if word in _PLAIN:
        return layers.Activation(word)(x)
    bias = "nobias" not in options
    if to_map := _MAP.fullmatch(word):
        target = tuple(int(side) for side in to_map.groups())
        return layers.Reshape(target)(affine(x, math.prod(target), use_bias=bias))
    layer = _LAYER.fullmatch(word)
    if layer is None:
        raise ValueError(f"no layer is called {word!r}")
    if layer["units"]:
        return affine(layers.Flatten()(x), int(layer["units"]), use_bias=bias)
    kind = layers.Conv2D if layer["kind"] == "c" else layers.Conv2DTranspose
    return kind(
        int(layer["filters"]),
        int(layer["kernel"]),
        strides=2 if "s2" in options else 1,
        padding="valid" if "valid" in options else "same",
        use_bias=bias,
    )(x)
