"""Figures from arrays; no model in sight."""
