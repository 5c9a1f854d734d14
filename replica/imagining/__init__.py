"""Rows that nobody has seen: a source imagined from what a schema says of itself, for want of the real one."""
