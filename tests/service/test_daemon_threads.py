"""A thread for calls that may never return: in order, cancelled where they wait, and no hold on the process' end."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import CancelledError

import pytest

from service.daemon_threads import DaemonThread
from tests.support.server import ROOT, environment


def test_calls_are_made_one_after_another_with_their_results_and_errors() -> None:
    thread, made = DaemonThread("latent-test"), list[int]()
    futures = [thread.submit(made.append, number) for number in range(9)]
    wrong = thread.submit(int, "x")
    assert [future.result() for future in futures] == [None] * 9
    assert made == list(range(9))
    with pytest.raises(ValueError, match="invalid literal"):
        wrong.result()
    assert thread.close(60)
    with pytest.raises(RuntimeError):
        thread.submit(int)


def test_one_that_was_never_used_is_closed_at_once() -> None:
    assert DaemonThread("latent-test").close(0)


def test_a_call_that_does_not_return_holds_up_neither_closing_nor_calls_that_are_cancelled() -> None:
    thread, going, release = DaemonThread("latent-test"), threading.Event(), threading.Event()

    def hang() -> bool:
        going.set()
        return release.wait()

    hanging, waiting, cancelled = thread.submit(hang), thread.submit(int), thread.submit(int)
    going.wait()
    assert cancelled.cancel()
    assert not thread.close(0)
    with pytest.raises(CancelledError):
        waiting.result()
    release.set()
    assert hanging.result()
    thread.shutdown()


@pytest.mark.parametrize(("hangs", "code"), [(True, 7), (False, 0)])
def test_the_process_ends_past_a_call_that_does_not_return(hangs: bool, code: int) -> None:
    program = f"""
import threading
from service.daemon_threads import DaemonThread, exit_past_stuck_threads
going = threading.Event()
thread = DaemonThread("latent-test")
thread.submit(lambda: (going.set(), {hangs} and threading.Event().wait())).add_done_callback(lambda _: None)
going.wait()
print("told", end="")
if not {hangs}:
    thread.shutdown()
exit_past_stuck_threads(7)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment({}), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (code, b"told")
