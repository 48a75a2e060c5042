"""Batches larger than one request: split, sent in order, joined again."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_client import NotFound, UnusableInput
from latent_client.bodies import spans
from tests.client.conftest import Connect
from tests.client.wire_server import Received, Reply, WireServer, npz, problem


def twice(request: Received) -> Reply:
    """z = 2 x; every other output is derived from it."""
    x = request.array()
    mse = x.mean(axis=1)
    return npz(
        z=2 * x,
        z_mean=2 * x,
        z_log_var=-x,
        outputs=3 * x,
        metrics__mse=mse,
        anomaly__score=mse,
        anomaly__percentile=mse * 10,
        anomaly__is_anomaly=mse > 4,
        anomaly__threshold=4.0,
    )


def counted(n: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.arange(2 * n, dtype=np.float32).reshape(n, 2)


@pytest.mark.parametrize(("n", "sizes"), [(1, [1]), (3, [3]), (4, [3, 1]), (8, [3, 3, 2]), (9, [3, 3, 3])])
def test_answers_come_together_in_order(connect: Connect, server: WireServer, n: int, sizes: list[int]) -> None:
    server.script = twice
    client, x = connect(chunk_items=3), counted(n)
    codes = client.encode(x)
    assert [len(request.array()) for request in server.received] == sizes
    np.testing.assert_array_equal(codes.z, 2 * x)
    assert codes.z_log_var is not None
    np.testing.assert_array_equal(codes.z_log_var, -x)
    np.testing.assert_array_equal(client.decode(x).outputs, 3 * x)
    answer = client.reconstruct(x)
    np.testing.assert_array_equal(answer.metrics.mse, x.mean(axis=1))
    np.testing.assert_array_equal(answer.anomaly.is_anomaly, x.mean(axis=1) > 4)
    assert (answer.anomaly.threshold, answer.metrics.nll, answer.error_map) == (4.0, None, None)


def test_the_default_is_256_items(connect: Connect, server: WireServer) -> None:
    server.script = twice
    np.testing.assert_array_equal(connect().encode(counted(600)).z, 2 * counted(600))
    assert [len(request.array()) for request in server.received] == [256, 256, 88]
    assert len({request.headers["x-request-id"] for request in server.received}) == 1


def test_bytes_bound_a_request_too(connect: Connect, server: WireServer) -> None:
    server.script = twice
    connect(chunk_bytes=25).encode(counted(7))
    assert [len(request.array()) for request in server.received] == [3, 3, 1]


def test_an_item_larger_than_the_bound_goes_alone(connect: Connect, server: WireServer) -> None:
    server.script = twice
    connect(chunk_bytes=1).encode(counted(2))
    assert [len(request.array()) for request in server.received] == [1, 1]


def test_labels_follow_their_items(connect: Connect, server: WireServer) -> None:
    server.script = twice
    client = connect(chunk_items=2)
    client.reconstruct(counted(5), labels=[0, 1, 2, 3, 4], target_labels="boot", threshold=0.5)
    assert [request.query["labels"] for request in server.received] == ["0,1", "2,3", "4"]
    assert {request.query["target_labels"] for request in server.received} == {"boot"}
    assert {request.query["threshold"] for request in server.received} == {"0.5"}
    server.received.clear()
    client.decode(counted(3), labels=["boot"])
    assert [request.query["labels"] for request in server.received] == ["boot", "boot"]
    with pytest.raises(UnusableInput, match="labels: 2 for 4 items"):
        client.encode(counted(4), labels=[1, 2])


def test_images_are_cut_too(connect: Connect, server: WireServer) -> None:
    images = [b"\xff\xd8\xff" + bytes([at]) for at in range(5)]

    def last_byte(request: Received) -> Reply:
        multipart = request.headers["content-type"].startswith("multipart")
        contents = [content for _, content in request.parts()] if multipart else [request.body]
        z = np.array([[content[-1]] for content in contents], dtype=np.float32)
        return npz(z=z, z_mean=z)

    server.script = last_byte
    codes = connect(chunk_items=2).encode(images)
    np.testing.assert_array_equal(codes.z, [[0], [1], [2], [3], [4]])
    assert len(server.received) == 3


def test_all_items_are_answered_by_one_version(connect: Connect, server: WireServer) -> None:
    """A version promoted while a batch is on its way does not get the rest of it."""

    def promoted(request: Received) -> Reply:
        x = request.array()
        return npz(request.query.get("model", "digits@3").replace("@production", "@3"), z=x, z_mean=x)

    server.script = promoted
    codes = connect(chunk_items=2).encode(counted(6), model="digits@production")
    asked = [request.query["model"] for request in server.received]
    assert asked == ["digits@production", "digits@3", "digits@3"]
    assert codes.model == "digits@3"
    server.received.clear()
    connect(chunk_items=3).encode(counted(6))
    assert [request.query.get("model") for request in server.received] == [None, "digits@3"]


def test_one_failure_is_the_whole_call_s(connect: Connect, server: WireServer) -> None:
    server.play(twice_of(2), problem(404, detail="digits@3 is gone"))
    with pytest.raises(NotFound, match="digits@3 is gone"):
        connect(chunk_items=2).encode(counted(6))
    assert len(server.received) == 2


def twice_of(n: int) -> Reply:
    return npz(z=2 * counted(n), z_mean=2 * counted(n))


def test_a_draw_and_a_picture_are_never_cut(connect: Connect, server: WireServer) -> None:
    """Noise depends on (seed, row): cut, each part would begin at row 0 again."""
    client = connect(chunk_items=2)
    server.play(npz(z=counted(5), z_mean=counted(5), seed=4))
    assert client.encode(counted(5), sample=True, seed=4).seed == 4
    server.play(Reply(200, b"png", {"Content-Type": "image/png"}))
    assert client.pictures().reconstruct(counted(5)) == b"png"
    assert [len(request.array()) for request in server.received] == [5, 5]


def test_an_empty_batch_is_the_server_s_to_refuse(connect: Connect, server: WireServer) -> None:
    server.play(problem(422, detail="no items"))
    with pytest.raises(Exception, match="422 Title: no items"):
        connect().encode(np.zeros((0, 2)))
    assert server.received[0].array().shape == (0, 2)


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(1, 9), st.integers(1, 120))
def test_spans_cover_everything_once_within_both_bounds(sizes: list[int], max_items: int, max_bytes: int) -> None:
    runs = spans(sizes, max_items=max_items, max_bytes=max_bytes)
    assert [size for run in runs for size in sizes[run]] == sizes
    assert all(run.stop - run.start <= max_items for run in runs)
    assert all(sum(sizes[run]) <= max_bytes or run.stop - run.start == 1 for run in runs)
    # Greedy: the first item of a run would not have fitted into the run before.
    for run, following in pairwise(runs):
        full = run.stop - run.start == max_items
        assert full or sum(sizes[run]) + sizes[following.start] > max_bytes
