"""What spans listen to: in small tables the few inputs that tell most, and what only two inputs tell together."""

from __future__ import annotations

import numpy as np

from replica.generators.base import Encoded
from replica.generators.wiring import wirings
from replica.kinds.base import Span


def table(n: int, noise: int) -> tuple[Encoded, Encoded]:
    """Rows of which the second span follows a span of the context that stands among noise, and its copy."""
    rng = np.random.default_rng(0)
    cause = rng.integers(0, 4, n)
    above = np.c_[rng.integers(0, 2, (n, noise)), cause, cause].astype(np.int32)
    rows = np.c_[rng.integers(0, 3, n), (cause + (rng.random(n) < 0.1)) % 4].astype(np.int32)
    context = (*(Span(f"noise {i}", 2) for i in range(noise)), Span("cause", 4), Span("copy", 4))
    return Encoded(rows, (Span("free", 3), Span("follows", 4))), Encoded(above, context)


def test_a_span_of_a_small_table_sees_its_cause_once_and_no_noise() -> None:
    found = wirings(*table(1_500, noise=6), np.random.default_rng(0))
    for wiring in found[:-1]:
        assert wiring.sees is not None
        assert wiring.sees[1, 6:8].sum() == 1
        assert not wiring.sees[:, :6].any()
        assert not wiring.sees[0].any()


def test_a_table_of_some_size_looks_at_the_few_spans_of_its_context_that_tell_something() -> None:
    found = wirings(*table(8_000, noise=10), np.random.default_rng(0))
    assert found[0].sees is None
    assert len(set(found[0].context) & {10, 11}) == 1
    assert len(found[0].context) < 10


def test_a_wiring_that_sees_everything_is_always_tried() -> None:
    for rows in (1, 50, 8_000, 70_000):
        last = wirings(*table(rows, noise=2), np.random.default_rng(0))[-1]
        assert last.sees is None
        assert last.context == (0, 1, 2, 3)
