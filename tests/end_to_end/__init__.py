"""The service as a process: its life, its logs, its end."""
