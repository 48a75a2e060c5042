"""The serving benchmark: Latent, a naive service, an empty route, the engine alone. `python -m benchmarks.serving`."""
