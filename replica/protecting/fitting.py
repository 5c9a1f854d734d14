"""Fitting the models of private tables to the rows themselves, by mechanisms that are paid for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from replica.databases.base import Snapshot
from replica.generators.base import Encoded, TableGenerator
from replica.learning.conditioning import context_spec, observe, source_context
from replica.learning.encoding import EncodedTable
from replica.learning.source_rows import read_source
from replica.planning.decisions import Plan
from replica.privacy.ledger import Ledger
from replica.privacy.meter import Price
from replica.progress import Progress, Report
from replica.protecting.contributions import bounded, rows_of_subjects
from replica.protecting.marginals import Bought, Learned, fit_marginals
from replica.protecting.measuring import Protection, columns_to_code
from replica.protecting.recoding import Copied, Recoded, recode
from replica.settings import Settings


def without_sampling(settings: Settings) -> Settings:
    """Returns settings by which all rows are read: a sample of families would have to be accounted for."""
    return replace(settings, fit_rows=2**62)


@dataclass(frozen=True)
class Coded:
    """The rows of a private table as its model sees them, and the most rows of one subject among them."""

    table: str
    learned: Learned
    bound: int

    @property
    def drawn(self) -> int:
        """How many spans of the rows are bought."""
        return sum(self.learned.measured)


@dataclass(frozen=True)
class Guard:
    """A source under protection: what fits the models of its private tables.

    Attributes:
        real: the source.
        protection: whose rows are whose, and what may be spent.
        bounds: the most rows of a subject that are learned from, by table.
        notes: what is not covered and what was switched off.
    """

    real: Snapshot
    protection: Protection
    bounds: Mapping[str, int]
    notes: tuple[str, ...] = field(default=())

    def fit(
        self, plan: Plan, copy: Mapping[str, EncodedTable], settings: Settings, report: Report
    ) -> dict[str, TableGenerator]:
        """Fits the models of all private tables.

        Args:
            plan: what was decided on the copy.
            copy: the encoded tables of the copy.
            settings: the settings of the run.
            report: told how far it is.
        """
        coded = self._coded(plan, copy, settings, report)
        spans = sum(table.drawn for table in coded) or 1
        found: dict[str, TableGenerator] = {}
        for i, table in enumerate(coded):
            report(Progress("learn", table.table, i, len(coded)))
            share = table.drawn / spans
            found[table.table] = fit_marginals(table.learned, self.protection.meter, self._bought(table, share))
        return found

    def _bought(self, table: Coded, share: float) -> Bought:
        budget = self.protection.budget
        return Bought(
            Price("structure", table.table, table.bound, budget.share("structure") * share),
            Price("models", table.table, table.bound, budget.share("models") * share),
        )

    def _coded(self, plan: Plan, copy: Mapping[str, EncodedTable], settings: Settings, report: Report) -> list[Coded]:
        """Reads the rows and writes them in the codes of the copy."""
        unit = self.protection.unit
        sources = read_source(self.real, plan, without_sampling(settings), report, columns_to_code)
        rows = bounded(unit, rows_of_subjects(unit, sources), self.bounds)
        copied = Copied(plan, copy)
        recoded: dict[str, Recoded] = {}
        for name in unit.private:
            owner = plan.by_id[name].owner
            above = recoded[owner.parent].table if owner is not None else None
            recoded[name] = recode(copied, rows[name], above)
        return [
            Coded(name, learned, self.bounds[name])
            for name, learned in _learned(copied, recoded).items()
            if learned.copy.size
        ]

    def ledger(self) -> Ledger:
        """Returns what was spent, and what is claimed."""
        unit, budget = self.protection.unit, self.protection.budget
        return Ledger(
            unit=unit.subject,
            epsilon=budget.epsilon,
            delta=budget.delta,
            entries=tuple(self.protection.meter.entries),
            protected=unit.paths,
            public=unit.public,
            bounds=dict(self.bounds),
            notes=self.notes,
        )


def _learned(copied: Copied, recoded: Mapping[str, Recoded]) -> dict[str, Learned]:
    """Puts rows and copies into the form that models see, each row beside its context."""
    plan, copy = copied.plan, copied.tables
    seen_copy = {name: observe(table, copy) for name, table in copy.items()}
    layouts = {name: layout for name, (layout, _) in seen_copy.items()}
    seen_rows = {name: observe(found.table, copy)[1] for name, found in recoded.items()}
    of_rows = {name: (found.table, seen_rows[name]) for name, found in recoded.items()}
    of_copy = {name: (copy[name], seen_copy[name][1]) for name in copy}
    found = {}
    for name, layout in layouts.items():
        if name in recoded:
            spec = context_spec(plan, plan.by_id[name], layouts)
            blocks = {(block.kind, block.name) for block in recoded[name].blocks}
            found[name] = Learned(
                rows=Encoded(seen_rows[name], layout.spans),
                context=source_context(plan, recoded[name].table, of_rows, spec),
                measured=tuple(
                    (block.kind, block.name) in blocks
                    for block in layout.blocks
                    for _ in layout.spans[block.start : block.stop]
                ),
                copy=of_copy[name][1],
                copy_context=source_context(plan, copy[name], of_copy, spec).codes.astype(np.int32),
            )
    return found
