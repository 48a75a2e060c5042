"""HTTP/1.1 connections as uvicorn has them, guarded: what holds for every request, whichever way it is served."""
