"""Tests of the scans of networks."""
