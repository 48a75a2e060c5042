"""Latent beside a naive service, an empty route and the bare engine: `python -m benchmarks.serving`."""
