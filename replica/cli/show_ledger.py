"""A claim of differential privacy as a person reads it: what is claimed, what it cost, what it does not cover."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rich.console import Group
from rich.table import Table as Grid
from rich.text import Text
from rich.tree import Tree

from replica.cli.show import grid_of
from replica.privacy.budget import SHARES, Budget
from replica.privacy.ledger import Ledger, epsilon_of, most_found
from replica.protecting.auditing import Searched
from replica.protecting.columns import measured_columns
from replica.protecting.preparing import Prepared


def ledger_summary(ledger: Ledger) -> Group:
    """The claim, what every part of the budget bought, and what is not covered."""
    spent = ledger.spent()
    most = most_found(ledger, 0.01)
    return Group(
        Text(ledger.claim, style="bold"),
        Text(f"Recomputed from {len(ledger.entries)} entries: epsilon {spent:.4f} at delta {ledger.delta:g}."),
        _entries(ledger),
        _unit(ledger.protected, ledger.public, ledger.bounds, ledger.notes),
        Text(
            f"An attack that is wrong about 1 % of those who were not there finds at most {most:.1%} of those who were."
        ),
    )


def _entries(ledger: Ledger) -> Grid:
    grid = grid_of("bought", "of", ">times", ">sensitivity", ">sigma", ">epsilon alone")
    for what in dict.fromkeys(entry.what for entry in ledger.entries):
        own = [entry for entry in ledger.entries if entry.what == what]
        subjects = {entry.subject for entry in own}
        sigmas = sorted(math.sqrt(entry.variance) for entry in own)
        grid.add_row(
            what,
            f"{len(subjects)} tables or columns",
            str(sum(entry.steps for entry in own)),
            f"{max(entry.sensitivity for entry in own):.3g}",
            f"{sigmas[0]:.1f} to {sigmas[-1]:.1f}",
            f"{epsilon_of(own, ledger.delta):.3f}",
        )
    return grid


def _unit(protected: dict[str, str], public: tuple[str, ...], bounds: dict[str, int], notes: tuple[str, ...]) -> Tree:
    tree = Tree(Text("whose rows are whose", style="bold"))
    for name, path in protected.items():
        bound = f", at most {bounds[name]} rows of each" if name in bounds else ""
        tree.add(Text(path + bound))
    tree.add(Text(f"public: {', '.join(public) or 'nothing'}"))
    for note in notes:
        tree.add(Text(note, style="yellow"))
    return tree


def budget_preview(prepared: Prepared, budget: Budget) -> Group:
    """What each part of a budget would pay for; no row was read for it."""
    grid = grid_of("share", ">of the budget", ">sigma of one count, alone", "pays for")
    for share in SHARES:
        sigma = budget.share(share.what) ** -0.5
        grid.add_row(share.what, f"{share.part:.0%}", f"{sigma:.1f}", share.pays_for)
    wanted = measured_columns({name: prepared.plan.by_id[name] for name in prepared.unit.private})
    names = [f"{table.id}.{column.name}" for table, column in wanted]
    return Group(
        Text(
            f"epsilon {budget.epsilon:g} and delta {budget.delta:g}, spent on one ledger over all tables", style="bold"
        ),
        grid,
        Text(f"{len(names)} columns need a part of `columns`: {', '.join(names)}", style="dim"),
        _unit(prepared.unit.paths, prepared.unit.public, {}, prepared.notes),
    )


def searched_table(searched: Iterable[Searched], fewest: int) -> Grid:
    """How many texts of too few persons were looked for, and how many were found."""
    grid = grid_of("column", f">texts of fewer than {fewest} persons", ">found")
    for found in searched:
        grid.add_row(found.column, f"{found.looked_for:,}", f"{found.found:,}")
    return grid
