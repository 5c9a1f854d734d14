"""The sample company, the whole way: learned, made, loaded, published."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.workplace import Workplace, seconds
from replica import Settings, replicate
from replica.samples.company import build_company


def company(place: Workplace) -> Iterator[tuple[str, list[float], str]]:
    """Measures seconds for the whole run."""
    rows = build_company(place.url)
    figures = [seconds(lambda: replicate(place.url, place.target, Settings(replace=True))) for _ in range(2)]
    yield f"{rows:,} rows in 20 tables, replicated", figures, "s"
