"""`latent chaos`: well-behaved and misbehaving clients against a running service, and what it made of them.

`make soak` starts a service of its own and sends it the same requests by the same clients (`tests/soak/`).
"""
