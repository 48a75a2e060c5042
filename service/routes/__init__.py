"""FastAPI's routes: a thin layer over the verbs and the registry."""
