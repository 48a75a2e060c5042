"""The HTTP service, over a real port."""
