"""Tests that attack a service of their own: bytes, bodies and clients as they come from strangers."""
