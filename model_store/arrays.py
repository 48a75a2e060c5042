"""The array types that every package names, defined once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
"""What networks take and answer."""
Float64 = NDArray[np.float64]
"""What scores and statistics are computed in."""
UInt8 = NDArray[np.uint8]
"""Pixels of pictures."""
