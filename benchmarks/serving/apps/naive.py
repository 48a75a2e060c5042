"""A naive service, written by hand in an hour: FastAPI, pydantic lists, `tf.saved_model.load`, one function a route.

It serves one model, whose version directory is in the variable MODEL. JSON is read as in tutorials; the `…_npy` routes
read and answer npy files, for users who found JSON slow. No debug mode, no access log, warmed up before requests.
"""

from __future__ import annotations

import io
import os
from typing import Annotated, Any

import numpy as np
import tensorflow as tf
from fastapi import Body, FastAPI, Response
from numpy.typing import NDArray
from pydantic import BaseModel

encoder = tf.saved_model.load(os.environ["MODEL"] + "/encoder")
decoder = tf.saved_model.load(os.environ["MODEL"] + "/decoder")
app = FastAPI()

NpyBody = Annotated[bytes, Body(media_type="application/x-npy")]


class Items(BaseModel):
    """Pictures (n, h, w)."""

    inputs: list[list[list[float]]]


class Codes(BaseModel):
    """Codes (n, d)."""

    z: list[list[float]]


class Posterior(BaseModel):
    """Means and log variances, each (n, d)."""

    z_mean: list[list[float]]
    z_log_var: list[list[float]]


class Pictures(BaseModel):
    """Pictures (n, h, w, 1)."""

    outputs: list[list[list[list[float]]]]


def run_encoder(x: NDArray[Any]) -> dict[str, Any]:
    """Pictures (n, h, w) or (n, h, w, 1) -> z_mean and z_log_var, tensors (n, d)."""
    answer: dict[str, Any] = encoder.signatures["serving_default"](
        x=tf.constant(x.reshape(len(x), *x.shape[1:3], 1), tf.float32)
    )
    return answer


def run_decoder(z: Any) -> NDArray[Any]:  # noqa: ANN401 - an array or a tensor
    """Codes (n, d) -> pictures (n, h, w, 1)."""
    outputs: NDArray[Any] = decoder.signatures["serving_default"](z=tf.constant(z, tf.float32))["outputs"].numpy()
    return outputs


def npy(array: NDArray[Any]) -> Response:
    """A response with an array as np.save writes it."""
    stream = io.BytesIO()
    np.save(stream, array)
    return Response(stream.getvalue(), media_type="application/x-npy")


@app.get("/ready")
def ready() -> dict[str, str]:
    """Answer 200: the models are loaded before the port opens."""
    return {"status": "ok"}


@app.post("/encode")
def encode(items: Items) -> Posterior:
    """Pictures to codes."""
    answer = run_encoder(np.array(items.inputs))
    return Posterior(z_mean=answer["z_mean"].numpy().tolist(), z_log_var=answer["z_log_var"].numpy().tolist())


@app.post("/decode")
def decode(codes: Codes) -> Pictures:
    """Codes to pictures."""
    return Pictures(outputs=run_decoder(codes.z).tolist())


@app.post("/reconstruct")
def reconstruct(items: Items) -> Pictures:
    """Pictures to codes and back."""
    return Pictures(outputs=run_decoder(run_encoder(np.array(items.inputs))["z_mean"]).tolist())


@app.post("/encode_npy")
def encode_npy(body: NpyBody) -> Response:
    """Pictures to the means of their codes."""
    return npy(run_encoder(np.load(io.BytesIO(body)))["z_mean"].numpy())


@app.post("/decode_npy")
def decode_npy(body: NpyBody) -> Response:
    """Codes to pictures."""
    return npy(run_decoder(np.load(io.BytesIO(body))))


@app.post("/reconstruct_npy")
def reconstruct_npy(body: NpyBody) -> Response:
    """Pictures to codes and back."""
    return npy(run_decoder(run_encoder(np.load(io.BytesIO(body)))["z_mean"]))


shape = [size if size is not None else 1 for size in encoder.signatures["serving_default"].inputs[0].shape]
run_decoder(run_encoder(np.zeros(shape, np.float32))["z_mean"])
