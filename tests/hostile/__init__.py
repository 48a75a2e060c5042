"""Faults that were found by attacking the service, as tests: each starts a service of its own."""
