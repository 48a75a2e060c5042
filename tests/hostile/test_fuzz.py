"""Random exchanges, sound and broken: this service beside stock uvicorn. `make fuzz` runs it for longer."""

from __future__ import annotations

import asyncio

import pytest

from model_store import ModelStore
from tests.hostile.exchanges import Fuzzer
from tests.hostile.fuzz import Comparison, Outcome, servers

EXCHANGES = 2_000
SEED = 20_251


@pytest.mark.timeout(600)
def test_no_answer_is_anothers_and_nothing_is_taken_that_stock_refuses(affine_store: ModelStore) -> None:
    outcome = Outcome()
    with servers(affine_store.path) as (fast, routes, stock):
        comparison = Comparison(fast, routes, stock)
        asyncio.run(comparison.run(list(Fuzzer(SEED).streams(EXCHANGES)), outcome))
        assert outcome.faults == [], "\n".join(outcome.faults)
        for server in (fast, routes):
            assert server.http.get("/livez").status_code == 200
            assert [line for line in server.log_lines() if line.get("level") == "error"] == []
    assert outcome.exchanges >= EXCHANGES
    assert outcome.broken > 100
    assert "Host is" in outcome.stricter  # the rules are really tried


def test_a_seed_repeats_itself() -> None:
    one, other = (list(Fuzzer(7).streams(50)) for _ in range(2))
    assert one == other
    assert one != list(Fuzzer(8).streams(50))
