"""What planning decides, and the parts that decide it."""
