"""Admission control by itself: clocks that are moved by hand, no server."""
