"""Data sets of any size through a model: read, infer and write at once, in memory that does not grow with them."""
