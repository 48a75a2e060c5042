"""Guarded HTTP/1.1 connections: limits and timeouts for every request, on the fast path and on FastAPI's routes."""
