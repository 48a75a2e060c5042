"""The services that Latent is compared with; each is one file that uvicorn runs."""
