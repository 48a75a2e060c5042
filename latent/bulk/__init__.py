"""Bulk runs: data sets of any size are read, inferred and written at the same time, in bounded memory."""
