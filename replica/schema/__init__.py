"""What a database is: pure data, its graph, what can be guessed about it, and what a person says of it."""
