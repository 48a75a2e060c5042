"""Tests of the command: exit codes, one-line errors, files and tables."""
