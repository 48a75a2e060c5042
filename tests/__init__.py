"""Tests: one folder for each package; `contracts/` and `end_to_end/` hold tests across packages."""
