"""Fitting the models of private tables to the rows themselves, by mechanisms that are paid for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from replica.databases.base import Snapshot
from replica.generators.autoregressive import Autoregressive
from replica.generators.base import Encoded, FitOptions, TableGenerator
from replica.generators.devices import asked_for
from replica.learning.conditioning import context_spec, observe, source_context
from replica.learning.encoding import EncodedTable
from replica.learning.source_rows import read_source
from replica.planning.decisions import Plan
from replica.privacy.ledger import Entry, Ledger, noise_for_steps
from replica.privacy.meter import Price
from replica.progress import Progress, Report
from replica.protecting.contributions import bounded, rows_of_subjects
from replica.protecting.marginals import Bought, Learned, fit_marginals, made_rows
from replica.protecting.measuring import Protection, columns_to_code
from replica.protecting.recoding import Copied, Recoded, recode
from replica.protecting.training import Lesson, rows_by_subject, settle, train
from replica.seeds import stream
from replica.settings import Settings

TRAINING = 0.5
"""The part of a net's budget that its training gets; the rest buys the marginals that it starts from."""

# Rows made of marginals have less to teach than real ones.
_PRETRAINING = 0.5


def without_sampling(settings: Settings) -> Settings:
    """Returns settings by which all rows are read: a sample of families would have to be accounted for."""
    return replace(settings, fit_rows=2**62)


@dataclass(frozen=True)
class Coded:
    """The rows of a private table as its model sees them, whose they are, and the most rows of one subject."""

    table: str
    learned: Learned
    subject: npt.NDArray[np.int64]
    bound: int

    def lesson(self, net: nn.Module, subjects: int, device: torch.device) -> Lesson:
        """Returns the rows as a net learns from them, on a device."""
        codes, context = self.learned.rows.codes, self.learned.context.codes
        return Lesson(
            net.to(device),
            torch.from_numpy(_with_nobody(codes)).to(device),
            torch.from_numpy(_with_nobody(context)).to(device),
            rows_by_subject(self.subject, subjects, self.bound).to(device),
        )

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
        subjects: how many subjects there are, about.
        bounds: the most rows of a subject that are learned from, by table.
        notes: what is not covered and what was switched off.
    """

    real: Snapshot
    protection: Protection
    subjects: int
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
        coded = self._coded(plan, copy, settings)
        trained = [table for table in coded if plan.by_id[table.table].generator == "autoregressive"]
        spans = sum(table.drawn for table in coded) or 1
        found: dict[str, TableGenerator] = {}
        for i, table in enumerate(coded):
            report(Progress("learn", table.table, i, len(coded)))
            bought = self._bought(table, table.drawn / spans, TRAINING if table in trained else 0.0)
            rng = stream(settings.seed, "marginals", table.table)
            found[table.table] = fit_marginals(table.learned, self.protection.meter, bought, rng)
        if trained:
            report(Progress("train", ", ".join(table.table for table in trained)))
            found |= self._trained(trained, found, sum(table.drawn for table in trained) / spans, settings)
        return found

    def _bought(self, table: Coded, share: float, for_training: float) -> Bought:
        budget = self.protection.budget
        return Bought(
            Price("structure", table.table, table.bound, budget.share("structure") * share),
            Price("models", table.table, table.bound, budget.share("models") * share * (1 - for_training)),
        )

    def _trained(
        self, tables: list[Coded], marginals: Mapping[str, TableGenerator], share: float, settings: Settings
    ) -> dict[str, TableGenerator]:
        """Lets nets learn what the marginals know, which costs nothing more, and then from the rows themselves."""
        budget, meter = self.protection.budget, self.protection.meter
        schedule = settle(self.subjects, settings.effort)
        others = budget.precision - budget.share("models") * share * TRAINING
        noise = noise_for_steps(others, schedule.rate, schedule.steps, (budget.epsilon, budget.left_of_delta))
        meter.note(Entry("models", "training", 1.0, noise**2, steps=schedule.steps, rate=schedule.rate, discrete=False))
        found = {table.table: self._pretrained(table, marginals[table.table], settings) for table in tables}
        there, device = self.subjects_there(tables), asked_for(settings.device)
        lessons = [table.lesson(found[table.table].net, there, device) for table in tables]
        train(lessons, replace(schedule, noise=noise))
        return {name: model.with_net(lesson.net) for (name, model), lesson in zip(found.items(), lessons, strict=True)}

    def _pretrained(self, table: Coded, marginals: TableGenerator, settings: Settings) -> Autoregressive:
        rng = stream(settings.seed, "train", table.table)
        learned = table.learned
        made = made_rows(marginals, learned, rng)
        context = Encoded(learned.copy_context, learned.context.spans)
        options = FitOptions(settings.effort * _PRETRAINING, device=settings.device)
        return Autoregressive.fit(Encoded(made, learned.rows.spans), context, options, rng)

    @staticmethod
    def subjects_there(tables: list[Coded]) -> int:
        """How many subjects the rows of some tables are numbered by."""
        return max(int(table.subject.max(initial=-1)) + 1 for table in tables)

    def _coded(self, plan: Plan, copy: Mapping[str, EncodedTable], settings: Settings) -> list[Coded]:
        """Reads the rows and writes them in the codes of the copy."""
        unit = self.protection.unit
        # How many rows are read is nobody's business: nothing of it is reported.
        sources = read_source(self.real, plan, without_sampling(settings), columns=columns_to_code)
        rows = bounded(unit, rows_of_subjects(unit, sources), self.bounds)
        copied = Copied(plan, copy)
        recoded: dict[str, Recoded] = {}
        for name in unit.private:
            owner = plan.by_id[name].owner
            above = recoded[owner.parent].table if owner is not None else None
            recoded[name] = recode(copied, rows[name], above)
        return [
            Coded(name, learned, rows[name].subject, self.bounds[name])
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


def _with_nobody(codes: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
    """Codes with a row behind them that is nobody's."""
    return np.concatenate([codes, np.zeros((1, codes.shape[1]), np.int64)]).astype(np.int64)


def _learned(copied: Copied, recoded: Mapping[str, Recoded]) -> dict[str, Learned]:
    """Puts rows and copies into the form that models see, each row beside its context."""
    plan, copy = copied.plan, copied.tables
    seen_copy = {name: observe(table, copy) for name, table in copy.items()}
    layouts = {name: seen.layout for name, seen in seen_copy.items()}
    seen_rows = {name: observe(found.table, copy).codes for name, found in recoded.items()}
    of_rows = {name: (found.table, seen_rows[name]) for name, found in recoded.items()}
    of_copy = {name: (copy[name], seen_copy[name].codes) for name in copy}
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
