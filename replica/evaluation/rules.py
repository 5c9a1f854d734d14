"""Rules: does the replica keep what the original's rows keep without a schema saying so?

A rule counts where no row of the original breaks it: the original's own count, 0, is the ceiling. The floor needs no
counting: a draft adopts a rule only where its columns, shuffled, would make at least twenty rows break it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from replica.evaluation.servers import NoAnswer, Servers
from replica.planning.decisions import Plan
from replica.progress import Progress, Report, ignore
from replica.rules import RULES

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class RuleScore:
    """How many rows break a rule.

    Attributes:
        table: id of the table whose rows keep it.
        form: its form, as schema maps call it.
        text: the rule in words, without a value.
        original: rows of the original that break it.
        synthetic: rows of the replica that do.
    """

    table: str
    form: str
    text: str
    original: int
    synthetic: int

    @property
    def broken(self) -> bool:
        """True where the original keeps it and the replica does not."""
        return self.original == 0 and self.synthetic > 0


@dataclass(frozen=True)
class RuleScores:
    """Which rules hold.

    Attributes:
        rules: each rule that is not struck in the schema map.
        left_out: which rules were not counted and why, a line each.
    """

    rules: tuple[RuleScore, ...]
    left_out: tuple[str, ...]

    @property
    def held(self) -> tuple[RuleScore, ...]:
        """The rules that the original keeps."""
        return tuple(rule for rule in self.rules if rule.original == 0)

    @property
    def broken(self) -> tuple[RuleScore, ...]:
        """Those of them that the replica breaks."""
        return tuple(rule for rule in self.rules if rule.broken)


def score_rules(servers: Servers, plan: Plan, report: Report = ignore) -> RuleScores:
    """Do all rows keep the rules that hold in the original? The servers count those that do not.

    Rules that could not be kept when the replica was made are counted too.
    """
    found = list(_count_all(servers, plan, report))
    counted = tuple(one for one in found if isinstance(one, RuleScore))
    return RuleScores(counted, tuple(one for one in found if not isinstance(one, RuleScore)))


def _count_all(servers: Servers, plan: Plan, report: Report) -> Iterator[RuleScore | str]:
    rules = plan.schema_map.tables
    wanted = [(table.table, rule) for table in plan.tables for rule in rules[table.id].rules if rule.keep]
    for i, (table, rule) in enumerate(wanted):
        report(Progress("count", table.id, i, len(wanted), "rules"))
        kind = RULES[rule.form]
        text = kind.describe(rule, table)
        found = servers.answers(kind.breaks(rule, table, plan.schema), TIMEOUT_S, limit=1)
        if isinstance(found, NoAnswer):
            yield f"{table.id}: {text}: {found.reason}"
        else:
            original, synthetic = (int(answer.column(0)[0].as_py()) for answer in found)
            yield RuleScore(table.id, rule.form, text, original, synthetic)
