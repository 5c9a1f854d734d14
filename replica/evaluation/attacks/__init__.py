"""Attacks: what somebody who holds the replica could find out about the people of the original."""
