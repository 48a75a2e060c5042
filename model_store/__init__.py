"""The contract on disk that trainer and service agree on: see docs/model-store.md."""
