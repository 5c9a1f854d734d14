"""Constraints: satisfied when rows are made, then proved by the target's server."""
