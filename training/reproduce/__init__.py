"""The table of systems, trained and measured row by row."""
