"""Shortcuts of the evaluation's tests: both databases as the evaluation reads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from replica.databases import open_database
from replica.databases.url import DatabaseUrl
from replica.evaluation.ground import Ground, read_ground
from replica.evaluation.servers import Servers, asking
from replica.pipeline import make_plan
from replica.settings import Settings


@dataclass(frozen=True)
class Pair:
    """Two databases, to be asked, and their rows."""

    servers: Servers
    ground: Ground


@contextmanager
def pair(source: DatabaseUrl, target: DatabaseUrl, settings: Settings | None = None) -> Iterator[Pair]:
    """Reads a source and its replica and lets both be asked."""
    settings = settings or Settings()
    plan = make_plan(source, settings).plan
    with (
        open_database(source).snapshot() as original,
        open_database(target).snapshot() as synthetic,
        asking(original, synthetic) as servers,
    ):
        yield Pair(servers, read_ground(original, synthetic, plan, settings))
