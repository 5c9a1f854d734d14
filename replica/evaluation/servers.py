"""Asking both servers the same thing at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa

from replica.databases.base import PlanStep, Snapshot
from replica.errors import QueryError

T = TypeVar("T")


@dataclass(frozen=True)
class NoAnswer:
    """A query that a server did not answer: which one and why not, without a value."""

    reason: str


@dataclass(frozen=True)
class Servers:
    """Both databases, to be asked.

    Attributes:
        original: a view of the source.
        synthetic: a view of the replica.
        pool: what asks the one while the other is asked here.
    """

    original: Snapshot
    synthetic: Snapshot
    pool: ThreadPoolExecutor

    def answers(self, query: str, timeout_s: float, limit: int) -> tuple[pa.Table, pa.Table] | NoAnswer:
        """Asks both one query; see :meth:`replica.databases.base.Snapshot.ask`."""
        return self._both(lambda snapshot: _answer(snapshot, query, timeout_s, limit))

    def plans(self, query: str) -> tuple[PlanStep, PlanStep] | NoAnswer:
        """Asks both how they would answer one query; see :meth:`replica.databases.base.Snapshot.explain`."""
        return self._both(lambda snapshot: _plan(snapshot, query))

    def _both(self, ask: Callable[[Snapshot], T | NoAnswer]) -> tuple[T, T] | NoAnswer:
        waiting = self.pool.submit(ask, self.synthetic)
        one, other = ask(self.original), waiting.result()
        if isinstance(one, NoAnswer):
            return NoAnswer(f"the original {one.reason}")
        if isinstance(other, NoAnswer):
            return NoAnswer(f"the replica {other.reason}")
        return one, other


@contextmanager
def asking(original: Snapshot, synthetic: Snapshot) -> Iterator[Servers]:
    """Lets both databases be asked; whatever is still being asked at the end is waited for."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        yield Servers(original, synthetic, pool)


def _answer(snapshot: Snapshot, query: str, timeout_s: float, limit: int) -> pa.Table | NoAnswer:
    try:
        found = snapshot.ask(query, timeout_s, limit)
    except QueryError as error:
        return NoAnswer(f"refuses it: {error}")
    return found if found is not None else NoAnswer(f"takes longer than {timeout_s:g} s")


def _plan(snapshot: Snapshot, query: str) -> PlanStep | NoAnswer:
    try:
        return snapshot.explain(query)
    except QueryError as error:
        return NoAnswer(f"refuses it: {error}")
