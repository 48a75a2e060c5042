"""What every engine, and every error, must keep to."""
