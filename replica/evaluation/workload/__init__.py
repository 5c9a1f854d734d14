"""A workload: queries as an application asks them, drawn at random, as SQL and as data that numpy answers."""
