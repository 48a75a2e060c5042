"""Tests of the model store's contract on disk."""
