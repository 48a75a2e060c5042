"""The services that Latent is measured against; each is one file that uvicorn runs."""
