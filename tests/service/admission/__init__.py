"""Admission control without a server, with clocks that tests move by hand."""
