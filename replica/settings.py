"""What a user may set for a run; the same names in Python and on the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from replica.errors import SettingsError, UnknownNameError
from replica.generators import CHOICES, DEFAULT_GENERATOR, PRIVATE_GENERATOR
from replica.generators.devices import AUTO_DEVICE, check_device
from replica.relations.context import SIGHTS

ROWS_PER_TABLE = 100
"""Rows per table where nothing is learned and no number is given."""

MOST_EPSILON, MOST_DELTA = 20, 1e-3
"""Beyond these a claim of differential privacy says nothing any more."""
MOST_CONTROL = 0.5
"""The largest share of the persons that may be kept out of learning."""


@dataclass(frozen=True)
class Settings:
    """Settings of a run.

    Attributes:
        seed: the same seed gives the same database, whatever the number of workers; a GPU may differ in single rows.
        workers: how many processes and connections to use; None for the number of processors.
        device: where nets learn and draw: ``auto`` for a CUDA GPU where there is one, or the name of a device of torch.
        generator: the family of generators where the schema map names none; None for the usual one.
        scale: how many times as many rows as the source has; lookups keep theirs.
        rows: exact numbers of rows, by table.
        schema_only: look at no row: fill the schema with rows imagined from names, types, comments and checks.
        rows_per_table: with ``schema_only``, about how many rows a table gets, as far as its keys leave room.
        include: only these tables get rows, with the tables they need; all when empty.
        exclude: these tables get no rows, nor those that need them.
        min_holders: least number of persons behind a value of private tables that is kept as it is.
        fit_rows: most rows of one table to learn from; larger tables are learned from whole families.
        max_minutes: stop learning after about this long; None for no limit.
        effort: 1.0 for the usual number of passes over the rows; less for a quicker, rougher fit.
        map_path: the schema map; None to draft one in memory.
        replace: replace a target that is not empty.
        rebalance: shares that values are to have among the rows of their table, by ``table.column:value``.
        where: conditions that all rows of a table are to satisfy, as ``table: condition``; the table may be left out
            where only one has the condition's columns.
        rules: keep the rules that the schema map holds, and look for rules where there is no map.
        epsilon: learn under differential privacy with this epsilon; None without it.
        delta: the delta of that claim.
        public: names of the tables that are about nobody, or patterns of names such as ``ref.*``.
        links: names of tables that link others to their persons, as a disposition links an account to a client.
        queries: a file with queries of the user's own, whose answers an evaluation compares; None for none.
        control: share of the persons who are kept out of learning, for attacks to compare with; None for nobody.
        subject: the table whose rows are the persons of ``control`` and ``epsilon``; None to take the one that the map
            or the draft calls so.
        record: the file with the key that tells who was kept out; None for one in the user's folder for state.
        hidden: what models do not see of other rows, to learn what it is worth; names of
            :data:`~replica.relations.context.SIGHTS`. Not on the command line.
    """

    seed: int = 0
    workers: int | None = None
    device: str = AUTO_DEVICE
    generator: str | None = None
    scale: float = 1.0
    rows: Mapping[str, int] = field(default_factory=dict)
    schema_only: bool = False
    rows_per_table: int = ROWS_PER_TABLE
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    min_holders: int = 10
    fit_rows: int = 400_000
    max_minutes: float | None = None
    effort: float = 1.0
    map_path: Path | None = None
    replace: bool = False
    rebalance: Mapping[str, float] = field(default_factory=dict)
    where: tuple[str, ...] = ()
    rules: bool = True
    epsilon: float | None = None
    delta: float = 1e-6
    public: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    queries: Path | None = None
    control: float | None = None
    subject: str | None = None
    record: Path | None = None
    hidden: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Checks single values; whether they fit a schema is for the plan to say.

        Raises:
            SettingsError: a value is out of range, a name is unknown, or the device is not there.
        """
        self._check_names()
        check_device(self.device)
        if not 0 < self.scale <= 10_000:
            raise SettingsError(f"scale {self.scale:g} is out of range: give a number above 0, up to 10000")
        for name, wanted in (("workers", self.workers), ("max minutes", self.max_minutes), ("effort", self.effort)):
            if wanted is not None and not wanted > 0:
                raise SettingsError(f"{name} must be above 0, however: {wanted:g}")
        for name, least, given in (
            ("min holders", 1, self.min_holders),
            ("fit rows", 100, self.fit_rows),
            ("rows per table", 1, self.rows_per_table),
        ):
            if given < least:
                raise SettingsError(f"{name} must be at least {least}, however: {given}")
        if self.rows_per_table != ROWS_PER_TABLE and not self.schema_only:
            raise SettingsError("rows per table is for --schema-only: give --scale or --rows instead")
        self._check_privacy()
        self._check_control()
        self._check_wishes()

    def _check_wishes(self) -> None:
        for table, count in self.rows.items():
            if count < 0:
                raise SettingsError(f"--rows {table}={count}: a number of rows cannot be negative")
        for value, share in self.rebalance.items():
            if not 0 <= share <= 1:
                raise SettingsError(f"--rebalance {value}={share:g}: a share lies between 0 and 1")
            if ":" not in value or "." not in value.partition(":")[0]:
                raise SettingsError(f"--rebalance {value}={share:g}: write TABLE.COLUMN:VALUE=SHARE")

    def _check_names(self) -> None:
        if self.generator is not None and self.generator not in CHOICES:
            raise UnknownNameError("generator", self.generator, CHOICES)
        for name in sorted(self.hidden.difference(SIGHTS)):
            raise UnknownNameError("sight", name, SIGHTS)

    def _check_privacy(self) -> None:
        if self.epsilon is None:
            for option, given in (("--public", self.public), ("--link", self.links)):
                if given:
                    raise SettingsError(f"{option} belongs to differential privacy: give --epsilon too")
            return
        if not 0 < self.epsilon <= MOST_EPSILON:
            raise SettingsError(
                f"epsilon {self.epsilon:g} is out of range: give a number above 0, up to {MOST_EPSILON}"
            )
        if not 1e-12 <= self.delta <= MOST_DELTA:
            raise SettingsError(f"delta {self.delta:g} is out of range: give a number from 1e-12 to {MOST_DELTA:g}")
        if self.schema_only:
            raise SettingsError("--schema-only reads no row, so there is nothing for --epsilon to protect: give one")

    def _check_control(self) -> None:
        if self.control is None:
            if self.subject is not None and self.epsilon is None:
                raise SettingsError("--subject says whom --control keeps out or --epsilon protects: give one of them")
            return
        if not 0 < self.control <= MOST_CONTROL:
            raise SettingsError(f"control {self.control:g} is out of range: give a share above 0, up to {MOST_CONTROL}")
        if self.schema_only:
            raise SettingsError("--schema-only reads no row, so there is nobody for --control to keep out: give one")

    @property
    def family(self) -> str:
        """The family of generators: marginals, which noise harms least, where there is a budget to keep."""
        return self.generator or (DEFAULT_GENERATOR if self.epsilon is None else PRIVATE_GENERATOR)

    @property
    def processes(self) -> int:
        """How many processes and connections to use."""
        if self.workers is not None:
            return self.workers
        # Of the processors that this process may use, which a container limits.
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
