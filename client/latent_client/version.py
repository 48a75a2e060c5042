"""The client's own version: read by its build, sent as its User-Agent."""

__version__ = "0.1.0"
