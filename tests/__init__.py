"""Tests: the folders follow the packages; `contracts/` and `end_to_end/` hold what spans them."""
