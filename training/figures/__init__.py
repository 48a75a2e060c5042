"""Figures drawn from arrays alone, without a model."""
