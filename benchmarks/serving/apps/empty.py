"""A FastAPI route that reads nothing and answers a constant: what the framework costs where nothing is done."""

from __future__ import annotations

from fastapi import FastAPI

app = FastAPI()


@app.get("/ready")
@app.post("/encode")
async def encode() -> dict[str, str]:
    """The constant."""
    return {"status": "ok"}
