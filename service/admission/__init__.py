"""Admission control: which requests are let in, when they begin, and until when they are worked for."""
