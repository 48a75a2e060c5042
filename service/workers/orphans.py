"""A worker ends when its supervisor has ended: nothing else would stop it, restart it or free the port."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time


def end_with_supervisor(grace_s: float) -> None:
    """Stop this worker as SIGTERM does when its supervisor's process is gone; after `grace_s` end it in any case.

    A thread waits for it, so that it is heeded while the worker starts, and while its event loop stands still.
    """
    supervisor = multiprocessing.parent_process()
    if supervisor is None:
        return

    def wait() -> None:
        supervisor.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace_s)
        os._exit(1)

    threading.Thread(target=wait, name="latent-orphan", daemon=True).start()
