"""Memory that has been freed is kept for the next request, within bounds.

glibc gives what is larger than 128 kB back to the kernel at once and takes it anew for the next body; every page of it
is then a fault, 230 of them for a JSON body of 64 images, which cost more than its engine call.
"""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 64 << 20
_MAPPED_FROM_BYTES = 32 << 20
"""The most that glibc takes."""


def keep_freed_memory() -> None:
    """Let malloc keep up to 64 MB that are free; nothing where it is not glibc's (mallopt(3))."""
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
