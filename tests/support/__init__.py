"""Helpers of several test folders: tiny models with answers known by hand, and stores of them."""
