"""Differential privacy: noise, what it costs, and the one place where it is added to counts."""
