"""The process: binds the port, runs uvicorn, handles signals, drains."""
