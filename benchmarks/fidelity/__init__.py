"""How alike replicas are, Replica's and its rivals': every tool writes a database, and one scorer judges them all."""
