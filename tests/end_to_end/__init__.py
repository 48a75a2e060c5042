"""The service as a process: start, logs, shutdown."""
