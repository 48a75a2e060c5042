"""Makes glibc's malloc keep freed memory for the next request, within bounds.

By default glibc returns blocks over 128 kB to the kernel when they are freed, and gets new ones for the next body. Each
new page costs a page fault: 230 for a JSON body of 64 images, which take longer than its engine call.
"""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 64 << 20
_MAPPED_FROM_BYTES = 32 << 20
"""The largest threshold that glibc accepts."""


def keep_freed_memory() -> None:
    """Let malloc keep up to 64 MB of free memory; does nothing without glibc (mallopt(3))."""
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
