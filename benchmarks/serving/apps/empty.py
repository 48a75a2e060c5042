"""A FastAPI route that reads nothing and answers a constant: measures the cost of the framework alone."""

from __future__ import annotations

from fastapi import FastAPI

app = FastAPI()


@app.get("/ready")
@app.post("/encode")
async def encode() -> dict[str, str]:
    """The constant."""
    return {"status": "ok"}
