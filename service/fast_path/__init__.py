"""The fast path: answers whole POST requests of a verb without uvicorn's tasks and FastAPI's routing."""
