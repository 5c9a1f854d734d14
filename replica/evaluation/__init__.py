"""Comparing a replica with its source: are the columns alike, their pairs, the numbers of children, the constraints."""
