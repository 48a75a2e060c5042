"""Bytes and headers to arrays and back: the formats of request and response bodies. Knows nothing of models."""
