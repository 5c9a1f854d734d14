"""The gate: limits to what an evaluation measured, and what crosses them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from replica.errors import SettingsError, did_you_mean
from replica.evaluation.attacks.base import AttackResult
from replica.evaluation.evaluate import EvaluationReport
from replica.report.measures import MEASURES, Kind, Measured

DEFAULT: Final = "default"
VERSION: Final = 1

Status = Literal["pass", "fail", "inconclusive", "not run", "does not apply"]

_KEYS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "count": ("most",),
    "score": ("least", "below_ceiling", "worst"),
    "attacks": ("inconclusive", "not_run"),
}
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "inconclusive": ("allow", "fail"),
    "not_run": ("allow", "with_control", "fail"),
}
_OVERLOOKED: Final = "no table has the role subject in the schema map, but some hold something of persons: {}"
_NOBODY_KEPT_OUT: Final = "nobody was kept out of learning, or the record is not here: learn with --control 0.1"


@dataclass(frozen=True)
class Limit:
    """What one measure must meet.

    Attributes:
        name: the measure, as in ``utility.pairs``.
        bounds: the numbers it must keep to, by the key of the gate file.
        words: what becomes of attacks that found nothing because they could not, likewise.
    """

    name: str
    bounds: Mapping[str, float]
    words: Mapping[str, str]


@dataclass(frozen=True)
class Gate:
    """Limits, and where they come from."""

    name: str
    limits: tuple[Limit, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of one limit.

    Attributes:
        name: the measure, as in ``utility.pairs``.
        title: what it is, for a reader.
        status: whether it is kept; what was not run fails unless the gate lets it through.
        passed: True where it stops nobody.
        text: what was found beside the limit, in one line, without a value of the source.
    """

    name: str
    title: str
    status: Status
    passed: bool
    text: str


@dataclass(frozen=True)
class GateResult:
    """What became of all limits of a gate."""

    gate: str
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The limits that are crossed."""
        return tuple(outcome for outcome in self.outcomes if not outcome.passed)

    @property
    def passed(self) -> bool:
        """True where no limit is crossed."""
        return not self.failed


# Reading


def read_gate(name: str) -> Gate:
    """Reads a gate.

    Args:
        name: ``default``, or the path of a file.

    Raises:
        SettingsError: the file cannot be read, or holds what gates do not have; named with its line.
    """
    if name == DEFAULT:
        text = resources.files("replica.report").joinpath("gates/default.yaml").read_text(encoding="utf8")
        return _parse(text, "the default gate")
    try:
        text = Path(name).read_text(encoding="utf8")
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"gate {name} cannot be read: name a file, or `default`") from None
    return _parse(text, name)


def _parse(text: str, name: str) -> Gate:
    try:
        found = YAML().load(text)
    except YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = f"{name}:{line + 1}" if line is not None else name
        raise SettingsError(f"{where}: this is not YAML: check its indentation and quotes") from None
    if not isinstance(found, CommentedMap):
        raise SettingsError(f"{name}: a gate begins with `version: {VERSION}`")
    if found.get("version") != VERSION:
        raise SettingsError(f"{name}: version {VERSION} is the one that is known: write `version: {VERSION}`")
    return Gate(name, tuple(_Reader(name).limits(found)))


class _Reader:
    """Reads the entries of a gate file; whatever it does not know is an error that names the line."""

    def __init__(self, name: str) -> None:
        self._name = name

    def limits(self, document: CommentedMap) -> Iterator[Limit]:
        """Yields the limits of a whole file."""
        groups = dict.fromkeys(measure.group for measure in MEASURES.values())
        for group, entries in document.items():
            if group == "version":
                continue
            if group not in groups:
                raise self._error(document, group, f"unknown part{did_you_mean(str(group), groups)}")
            known = [name.partition(".")[2] for name in MEASURES if name.startswith(f"{group}.")]
            for key in self._mapping(document, group):
                if key not in known:
                    hint = did_you_mean(str(key), known) or f": known are {', '.join(known)}"
                    raise self._error(entries, key, f"unknown measure{hint}")
                yield self._limit(f"{group}.{key}", entries, key)

    def _limit(self, name: str, entries: CommentedMap, key: str) -> Limit:
        keys = _KEYS[MEASURES[name].kind]
        node = self._mapping(entries, key)
        for word in node:
            if word not in keys:
                raise self._error(node, word, f"{name} takes {', '.join(keys)}")
        if not node:
            raise self._error(entries, key, f"{name} needs a limit: {' or '.join(keys)}")
        bounds = {word: self._number(node, word) for word in node if word not in _WORDS}
        return Limit(name, bounds, {word: self._word(node, word) for word in node if word in _WORDS})

    def _word(self, node: CommentedMap, word: str) -> str:
        if node[word] not in _WORDS[word]:
            raise self._error(node, word, f"this is {' or '.join(_WORDS[word])}")
        return str(node[word])

    def _number(self, node: CommentedMap, word: str) -> float:
        value, highest = node[word], math.inf if word == "most" else 1
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= highest:
            raise self._error(node, word, f"this is a number from 0{'' if math.isinf(highest) else ' to 1'}")
        return float(value)

    def _mapping(self, parent: CommentedMap, key: str) -> CommentedMap:
        node = parent[key]
        if not isinstance(node, CommentedMap):
            raise self._error(parent, key, "keys and values are expected here")
        return node

    def _error(self, node: CommentedMap, key: Any, problem: str) -> SettingsError:
        return SettingsError(f"{self._name}:{node.lc.key(key)[0] + 1}: {key}: {problem}")


# Judging


def judge(gate: Gate, report: EvaluationReport) -> GateResult:
    """Holds what was measured against the limits of a gate."""
    return GateResult(gate.name, tuple(outcome for limit in gate.limits for outcome in _judge(limit, report)))


def _judge(limit: Limit, report: EvaluationReport) -> Iterator[Outcome]:
    title = MEASURES[limit.name].title
    measured = MEASURES[limit.name].take(report)
    if not measured.is_there:
        yield Outcome(limit.name, title, "does not apply", passed=True, text="nothing of that is there")
    elif measured.attacks is not None:
        yield from _judge_attacks(limit, measured)
    else:
        crossed = [line for word, bound in limit.bounds.items() if (line := _crossed(word, bound, measured))]
        text = "; ".join(crossed) if crossed else _found(measured)
        yield Outcome(limit.name, title, "fail" if crossed else "pass", passed=not crossed, text=text)


def _judge_attacks(limit: Limit, measured: Measured) -> Iterator[Outcome]:
    missing = limit.words.get("not_run")
    if not measured.controls:
        title = MEASURES[limit.name].title
        why = _OVERLOOKED.format(", ".join(measured.named[:3])) if measured.named else _NOBODY_KEPT_OUT
        yield Outcome(limit.name, title, "not run", passed=missing == "allow", text=why)
    let_through = {
        "pass": True,
        "inconclusive": limit.words.get("inconclusive") == "allow",
        "not run": missing in ("allow", "with_control"),
    }
    for attack in measured.attacks or ():
        name = ".".join(filter(None, (limit.name, attack.name, attack.table)))
        passed = let_through.get(attack.verdict, False)
        yield Outcome(name, attack.question, attack.verdict, passed, _attack_text(attack))


def _attack_text(attack: AttackResult) -> str:
    ends = f" ({attack.low:.3f} to {attack.high:.3f})" if attack.low is not None and attack.high is not None else ""
    figure = f"{attack.figure:.3f}{ends}, {attack.n:,} targets" if attack.figure is not None else ""
    return ": ".join(filter(None, (figure, attack.note))) or attack.verdict


def _crossed(word: str, bound: float, measured: Measured) -> str:
    """Says how a limit is crossed; empty where it is kept."""
    figure, count = measured.figure, measured.count
    if count is not None:
        named = f": {', '.join(measured.named[:3])}" if measured.named else ""
        return f"{count:,}, at most {bound:g} allowed{named}" if count > bound else ""
    assert figure is not None  # noqa: S101 - one or the other
    if word == "least":
        return f"{figure.value:.3f}, at least {bound:g} wanted" if figure.value < bound else ""
    if word == "below_ceiling":
        return f"{_below(measured)}, at most {bound:g} allowed" if figure.surely_below_ceiling > bound else ""
    bad = [part for part in measured.worst if part.figure.surely_below_ceiling > bound]
    more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
    if not bad:
        return ""
    return f"{bad[0].place}{more}: {bad[0].figure.surely_below_ceiling:.3f} from the ceiling, at most {bound:g} allowed"


def _found(measured: Measured) -> str:
    return f"{measured.count:,}" if measured.figure is None else _below(measured)


def _below(measured: Measured) -> str:
    figure = measured.figure
    assert figure is not None  # noqa: S101 - asked of scores only
    ends = f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}"
    if figure.ceiling is None:
        return f"{ends})"
    return f"{ends}; ceiling {figure.ceiling:.3f}), surely {figure.surely_below_ceiling:.3f} from it"
