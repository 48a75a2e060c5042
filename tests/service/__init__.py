"""Tests of the HTTP service, over a real port."""
