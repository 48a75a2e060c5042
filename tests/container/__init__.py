"""Tests of the container files, without a container engine."""
