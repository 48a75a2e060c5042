"""The server process: binds the port, runs uvicorn, handles signals, drains."""
