"""What each thing is worth that a row's model sees of other rows: hide one, and learn without it.

Held-out likelihood: a tenth of the families is kept out, the model of each table learns the others, and what counts is
the mean negative logarithm of the likelihood of the rows kept out, in nats. Only tables that own no rows count: all
others have a span more or less where families are hidden, and cannot be compared.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.fidelity.running import Run, perform, source_database
from replica import Plan, Settings, make_plan
from replica.databases import open_database
from replica.databases.url import DatabaseUrl
from replica.generators.autoregressive import Autoregressive
from replica.generators.base import Encoded, FitOptions
from replica.learning.conditioning import context_spec, likened, observe, source_context
from replica.learning.encoding import encode_tables
from replica.learning.source_rows import SourceTable, read_source
from replica.relations.context import SIGHTS
from replica.seeds import stream

_HELD_OUT = 0.1
_FEWEST = 100


@dataclass(frozen=True)
class Learned:
    """What is learned from, and how.

    Attributes:
        plan: what was decided.
        sources: the rows of all tables.
        seed: the seed.
    """

    plan: Plan
    sources: Mapping[str, SourceTable]
    seed: int


def ablation(database: str, seeds: Sequence[int], admin: DatabaseUrl, *, judged: bool) -> Iterator[str]:
    """Yields a table in Markdown: held-out nats per row, and how well rows with their children are told apart."""
    url = source_database(database, admin)
    yield from ("| hidden | nats per row held out | C2ST-Agg | strict Agg |", "| --- | --- | --- | --- |")
    for hidden in ("", *SIGHTS):
        nats = [_nats(url, hidden, seed) for seed in seeds]
        told = [_told(Run("replica", database, seed, hidden=hidden), admin) if judged else ("", "") for seed in seeds]
        columns = (_spread(nats), *(_spread(column) for column in zip(*told, strict=True)))
        yield f"| {hidden or 'nothing'} | {' | '.join(columns)} |"


def _spread(figures: Iterable[float | str]) -> str:
    known = [one for one in figures if not isinstance(one, str)]
    if not known:
        return ""
    middle = f"{statistics.median(known):.3f}"
    return middle if len(known) == 1 else f"{middle} ({min(known):.3f} to {max(known):.3f})"


def _told(run: Run, admin: DatabaseUrl) -> tuple[float | str, float | str]:
    """How well rows with their children are told apart, as the mean over all tables; both ways of summing up."""
    result = perform(run, admin)
    if "refused" in result:
        return "", ""
    agg, strict = (
        [0.5 + abs(one["value"] - 0.5) for one in result["detection"][what]] for what in ("children", "children_strict")
    )
    return (statistics.mean(agg), statistics.mean(strict)) if agg else ("", "")


def _nats(url: DatabaseUrl, hidden: str, seed: int) -> float:
    """Negative log likelihood per row held out, over all rows of tables that own none."""
    settings = Settings(seed=seed)
    plan = make_plan(url, settings).plan
    with open_database(url).snapshot() as snapshot:
        learned = Learned(plan, read_source(snapshot, plan, settings), seed)
    found = list(_losses(learned, {hidden} if hidden else set()))
    return float(np.concatenate(found).mean())


def _losses(learned: Learned, hidden: set[str]) -> Iterator[np.ndarray]:
    """Yields the loss of each row held out, table by table."""
    plan = learned.plan
    encoded = encode_tables(plan, learned.sources, learned.seed, families="families" not in hidden)
    observed = {name: observe(table, encoded, hidden, alike="twins" not in hidden) for name, table in encoded.items()}
    layouts = {name: found.layout for name, found in observed.items()}
    seen = {name: (encoded[name], found.codes) for name, found in observed.items()}
    owners = {table.owner.parent for table in plan.tables if table.owner}
    for table in plan.tables:
        source = learned.sources[table.id]
        if table.owner is None or table.id in owners or table.role == "lookup" or len(source) < _FEWEST:
            continue
        spec = context_spec(plan, table, layouts).without(hidden)
        if "twins" not in hidden:
            spec = likened(plan, encoded[table.id], seen, layouts, spec)
        context = source_context(plan, encoded[table.id], seen, spec)
        rows = Encoded(observed[table.id].codes, layouts[table.id].spans)
        yield _loss(rows, context, _held_out(source, learned.seed), learned.seed)


def _held_out(source: SourceTable, seed: int) -> np.ndarray:
    """Which rows only judge: those of a tenth of the owners, and a tenth of those without one."""
    rng = stream(seed, "held out", source.plan.id)
    families = np.cumsum(source.is_first) - 1
    held_out = rng.random(int(families[-1]) + 1) < _HELD_OUT
    return np.asarray(held_out[families])


def _loss(rows: Encoded, context: Encoded, held_out: np.ndarray, seed: int) -> np.ndarray:
    """Returns the loss of each row held out, by a model that learned the others."""
    known, judging = (
        [Encoded(one.codes[mask], one.spans) for one in (rows, context)] for mask in (~held_out, held_out)
    )
    model = Autoregressive.fit(known[0], known[1], FitOptions(), np.random.default_rng(seed))
    above = judging[1].codes[:, list(model.wiring.context)]
    with torch.no_grad():
        losses = model.net(*(torch.from_numpy(codes.astype(np.int64)) for codes in (judging[0].codes, above)))
    return np.asarray(losses)
