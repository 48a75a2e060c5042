"""Measurements, each one command; see docs/performance.md."""
