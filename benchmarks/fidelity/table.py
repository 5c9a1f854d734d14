"""All results as tables in Markdown: medians over seeds, their range, and the ceiling beside every figure."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from scipy import stats

from benchmarks.fidelity.running import RESULTS
from benchmarks.fidelity.scoring import LARGE

Result = dict[str, Any]
Found = tuple[float, float | None]
"""A figure and its ceiling."""

_LEVEL = 0.01
# So much is shown of why a tool refused.
_REASON = 60


def table() -> str:
    """Returns the tables of quality and of cost, a line for each tool on each database."""
    runs: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for file in sorted(RESULTS.glob("*.json")):
        result = json.loads(file.read_text())
        runs[result["database"], result["tool"]].append(result)
    parts = (
        _markdown(runs, "tables of rows", _DETECTION),
        _markdown(runs, "means", _MEANS),
        _markdown(runs, "", _COST),
    )
    return "\n\n".join(parts)


def _told(what: str) -> Callable[[Result], Found | None]:
    """The mean accuracy over large tables, each counted as far above one half as it is away from it."""

    def take(result: Result) -> Found | None:
        large = [one for one in result["detection"][what] if one["rows"] >= LARGE]
        if not large:
            return None
        values, ceilings = ([0.5 + abs(one[end] - 0.5) for one in large] for end in ("value", "ceiling"))
        return statistics.mean(values), statistics.mean(ceilings)

    return take


def _small(result: Result) -> Found | None:
    """How many of the smaller tables' questions are told apart at the 1 % level, after Holm (1979)."""
    small = [one for what in result["detection"].values() for one in what if one["rows"] < LARGE]
    if not small:
        return None
    return float(sum(rejected([_probability(one) for one in small], _LEVEL))), None


def _probability(one: dict[str, float]) -> float:
    """How likely guesses so far from one half are if there is nothing to tell, by the width of their interval."""
    error = (one["high"] - one["low"]) / (2 * stats.norm.ppf(0.975))
    return float(2 * stats.norm.sf(abs(one["value"] - 0.5) / max(error, 1e-9)))


def rejected(probabilities: Sequence[float], level: float) -> list[bool]:
    """Returns which hypotheses are rejected, with the chance of a single mistake held under a level (Holm 1979).

    >>> rejected([0.001, 0.2, 0.004], 0.01)
    [True, False, True]
    """
    found = [False] * len(probabilities)
    for place, i in enumerate(sorted(range(len(probabilities)), key=lambda i: probabilities[i])):
        if probabilities[i] > level / (len(probabilities) - place):
            break
        found[i] = True
    return found


def _mean(name: str) -> Callable[[Result], Found | None]:
    def take(result: Result) -> Found | None:
        found = result["means"].get(name)
        return (found["value"], found["ceiling"]) if found else None

    return take


def _plain(name: str) -> Callable[[Result], Found | None]:
    return lambda result: (result[name], None)


Columns = dict[str, Callable[[Result], Found | None]]

_DETECTION: Columns = {
    "C2ST": _told("rows"),
    "with parents": _told("with_parents"),
    "C2ST-Agg": _told("children"),
    "strict Agg": _told("children_strict"),
    "small told apart": _small,
    "broken constraints": _plain("broken_constraints"),
    "broken rows": _plain("broken_rows"),
}
_MEANS: Columns = {
    "columns": _mean("shapes"),
    "pairs": _mean("pairs"),
    "one hop": _mean("one_hop"),
    "two hops": _mean("two_hops"),
    "siblings": _mean("siblings"),
    "fan-outs": _mean("fan_outs"),
    "joint fan-outs": _mean("joint_fan_outs"),
    "time": _mean("time"),
    "queries": _mean("queries"),
}
_COST: Columns = {
    "fit s": _plain("fit_seconds"),
    "sample and load s": _plain("sample_seconds"),
    "rows": _plain("rows"),
    "rows/s": _plain("rows_per_second"),
    "peak GB": _plain("peak_gb"),
    "load of the machine": _plain("load"),
}


def _markdown(runs: dict[tuple[str, str], list[Result]], _: str, columns: Columns) -> str:
    head = ["database", "tool", "seeds", *columns]
    lines = [head, ["---"] * len(head)]
    for (database, tool), results in runs.items():
        done = [result for result in results if "refused" not in result]
        if not done:
            lines.append([database, tool, "0", results[0]["refused"][:_REASON], *[""] * (len(columns) - 1)])
            continue
        cells = [_cell([take(result) for result in done]) for take in columns.values()]
        lines.append([database, tool, str(len(done)), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(found: Iterable[Found | None]) -> str:
    known = [one for one in found if one is not None]
    if not known:
        return ""
    values = [value for value, _ in known]
    text = _number(statistics.median(values))
    if max(values) > min(values):
        text += f" ({_number(min(values))} to {_number(max(values))})"
    ceilings = [ceiling for _, ceiling in known if ceiling is not None]
    return f"{text} / {_number(statistics.median(ceilings))}" if ceilings else text


def _number(value: float) -> str:
    return (
        f"{value:,.0f}" if value == round(value) or value >= 1000 else f"{value:.3f}" if value < 1 else f"{value:.1f}"
    )
