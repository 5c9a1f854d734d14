"""From the source's rows to codes that models learn from: reading, encoding, and what each model sees."""
