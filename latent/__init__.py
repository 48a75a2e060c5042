"""The `latent` command: arguments in, one call out, heavy imports only where they are needed."""
