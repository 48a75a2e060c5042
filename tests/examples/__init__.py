"""Tests of the examples, run as a user runs them."""
