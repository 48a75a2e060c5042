"""Bytes <-> arrays: what a request's body and an answer's body look like on the wire. Knows no model's mathematics."""
