"""Contract tests for every engine and every error."""
