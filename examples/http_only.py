"""Calls every verb with only httpx and numpy: JSON, npy, npz, image files and pictures.

python examples/http_only.py [http://localhost:8000]

Writes `samples.png`, `both.png` and `morph.gif` into the working directory. Works with any image model.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import httpx
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
NPY, NPZ = "application/x-npy", "application/x-npz"


def main(url: str) -> None:
    """Call every verb once, each with another body format or answer format."""
    with httpx.Client(base_url=url, timeout=30.0) as http:
        # Two new items, as JSON; the reply has the seed that was drawn.
        drawn = ask(http.post("/sample", json={"n": 2})).json()
        print(f"{drawn['model']} sampled {len(drawn['outputs'])} items with seed {drawn['seed']}")

        # The codes of the items, with npy as request and answer: no JSON, no rounding.
        outputs = np.array(drawn["outputs"], dtype=np.float32)  # (2, h, w, c)
        codes = from_npy(ask(http.post("/encode", content=to_npy(outputs), headers=binary(NPY))).content)  # (2, d)
        print(f"codes have {codes.shape[1]} numbers: {np.round(codes[0], 2)}")

        # The reconstructions of the items; npz has every array of the JSON reply.
        reply = ask(http.post("/reconstruct", content=to_npy(outputs), headers=binary(NPZ)))
        with np.load(io.BytesIO(reply.content), allow_pickle=False) as arrays:
            print(f"reconstruction errors {arrays['metrics.mse']}, anomaly percentiles {arrays['anomaly.percentile']}")

        # The codes decoded: equal to the reconstructions.
        decoded = ask(http.post("/decode", json={"z": codes.tolist()})).json()["outputs"]
        print(f"decoded {np.array(decoded).shape}")

        # Pictures as answers. A request has one image as its body, or several in a form.
        write("samples.png", ask(http.get("/sample", params={"n": 16, "seed": 7, "scale": 4})).content)
        one, other = (
            ask(http.post("/decode", json={"z": [z]}, headers={"Accept": "image/png"})).content for z in codes.tolist()
        )
        as_png = {"Content-Type": "image/png", "Accept": "image/png"}
        write("both.png", ask(http.post("/reconstruct", params={"scale": 4}, content=one, headers=as_png)).content)
        morph = http.post(
            "/interpolate",
            params={"steps": 24, "scale": 4},
            files=[("from", one), ("to", other)],
            headers={"Accept": "image/gif"},
        )
        write("morph.gif", ask(morph).content)


def ask(response: httpx.Response) -> httpx.Response:
    """Return a successful response; else stop with the problem's text."""
    if response.is_error:
        raise SystemExit(f"{response.status_code}: {response.json()['detail']}")
    return response


def binary(accept: str) -> dict[str, str]:
    """Headers for an npy body."""
    return {"Content-Type": NPY, "Accept": accept}


def to_npy(array: Array) -> bytes:
    """An array as the bytes of an npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def from_npy(data: bytes) -> Array:
    """The array of an npy file."""
    array: Array = np.load(io.BytesIO(data), allow_pickle=False)
    return array


def write(name: str, data: bytes) -> None:
    """Write a file, and print its name."""
    Path(name).write_bytes(data)
    print(f"wrote {name}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000")
