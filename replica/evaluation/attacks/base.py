"""What an attack on a replica finds, as a report tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from replica.privacy.auditing import OneRun

Verdict = Literal["pass", "fail", "inconclusive", "not run"]
"""``inconclusive`` where an attack does no better than its own baseline: its failure then says nothing."""


@dataclass(frozen=True, slots=True)
class AttackResult:
    """What one attack found.

    Attributes:
        name: the attack, as in ``"membership"``.
        question: what it asks, in plain words.
        threat: what the attacker knows and wants, in plain words.
        table: id of the table it is about; None where it is about whole persons.
        figure: the rate or the advantage that was measured; None where it was not run.
        low: lower end of its 95 % interval.
        high: upper end.
        baseline: what guessing, or people who were not learned, give.
        power: probability with which a leak of the size in ``detectable`` is caught with so many targets.
        detectable: the leak that the power is stated for.
        n: number of targets that were attacked.
        verdict: what follows.
        note: what a reader should know beside it.
    """

    name: str
    question: str
    threat: str
    table: str | None
    figure: float | None
    low: float | None
    high: float | None
    baseline: float | None
    power: float | None
    detectable: str
    n: int
    verdict: Verdict
    note: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What an attack is, whatever comes of it; see :class:`AttackResult`."""

    name: str
    question: str
    threat: str

    def not_run(self, why: str = "", table: str | None = None) -> AttackResult:
        """Returns what is said of an attack that was not tried, or not yet."""
        return AttackResult(
            self.name, self.question, self.threat, table, None, None, None, None, None, "", 0, "not run", why
        )


@dataclass(frozen=True, slots=True)
class PrivacyReport:
    """What all attacks found.

    Attributes:
        subject: id of the table of the persons that the data are about; None without one.
        members: persons who were learned.
        controls: persons who were kept out of learning; 0 where nobody was, or where it is not known who.
        attacks: what each found, the most trustworthy first.
        overlooked: tables that hold something of persons although none is named as theirs, so that nobody could be
            attacked; empty where there is a table of persons.
        audit: how well the best of all scores of membership guessed who was learned, for whoever claims that nobody
            could; None where nobody was kept out.
    """

    subject: str | None
    members: int
    controls: int
    attacks: tuple[AttackResult, ...]
    overlooked: tuple[str, ...] = ()
    audit: OneRun | None = None
