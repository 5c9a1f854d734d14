"""From models to rows: codes, what they point to, and their values."""
