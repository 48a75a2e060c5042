"""The way of a posted verb past uvicorn's tasks and FastAPI's routing, straight to `verbs.answering`."""
