"""Observability: access log, structured logs and Prometheus metrics."""
