"""Sample databases: made-up companies whose truth is known, for the demonstration, tests and documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from replica.databases.url import DatabaseUrl
from replica.samples.company import build_company


class SampleBuilder(Protocol):
    """What every sample offers."""

    def __call__(self, url: DatabaseUrl, *, seed: int = 0) -> int:
        """Fills an existing empty database and returns the number of rows written."""


SAMPLES: Final[Mapping[str, SampleBuilder]] = {
    "company": build_company,
}
"""Sample databases by name. A new one is a builder and a line here."""
