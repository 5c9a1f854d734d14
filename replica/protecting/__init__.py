"""Learning under differential privacy: who the subjects are, what is measured of them, and what that is turned into.

The rows of private tables are read here and nowhere else. What comes out is a *copy*: a snapshot of made-up rows that
depends on them through noisy counts alone. Everything that runs without differential privacy runs on the copy, so it
needs no proof of its own. Models are then fitted to the rows themselves, in the codes that the copy gave, by mechanisms
of their own.

``unit``           which rows belong to which subject, and what is public
``contributions``  at most so many rows of each subject
``columns``        what is measured of single columns
``copy``           a snapshot made of what was measured
``recoding``       the rows in the codes of the copy
``marginals``      noisy marginals of spans and pairs, and the model of them
``loglinear``      the distribution of a span that agrees with them
"""
