"""How far a run is: what stages tell whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """A moment of a run.

    Attributes:
        step: the step, as in ``learn``.
        detail: what is being worked on, usually a table.
        done: how much of the step is done.
        total: how much there is to do; 0 where nobody knows.
        unit: what is counted; empty where it means nothing to a user.
    """

    step: str
    detail: str = ""
    done: float = 0.0
    total: float = 0.0
    unit: str = ""


Report = Callable[[Progress], None]


def ignore(progress: Progress) -> None:
    """Watches nothing."""
