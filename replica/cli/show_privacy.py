"""What attacks found, as a person reads it in a terminal. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from replica.cli.show import grid_of
from replica.evaluation.attacks.base import AttackResult, PrivacyReport

_LEGEND = "No attack proves that there is no leak; power is the chance to see one of the size that it is stated for.\n"
_STYLES = {"pass": "green", "fail": "bold red", "inconclusive": "yellow", "not run": "dim"}


def privacy_summary(report: PrivacyReport | None) -> Iterator[RenderableType]:
    """A line an attack; one line where nobody can be attacked."""
    if report is None:
        return
    if report.subject is None:
        yield Text(f"attacks: {report.attacks[0].note}\n", style="dim")
        return
    yield Text(f"Attacks on persons ({report.subject}): {report.members:,} learned, {report.controls:,} kept out")
    grid = grid_of("attack", ">found", ">by chance", ">power", "verdict")
    done = [attack for attack in report.attacks if attack.verdict != "not run"]
    for attack in done:
        name = Text(": ".join(filter(None, (attack.name, attack.table))))
        verdict = Text(attack.verdict, style=_STYLES[attack.verdict])
        grid.add_row(name, _figure(attack), _share(attack.baseline), _share(attack.power), verdict)
    if done:
        yield grid
    for note, names in _left(report).items():
        yield Text(f"not run: {', '.join(names)}: {note}", style="dim")
    yield Text(_LEGEND, style="dim")


def _left(report: PrivacyReport) -> dict[str, list[str]]:
    """Names of the attacks that were not run, by the reason."""
    names: dict[str, list[str]] = {}
    for attack in report.attacks:
        if attack.verdict == "not run":
            names.setdefault(attack.note, []).append(attack.name)
    return names


def _figure(attack: AttackResult) -> str:
    if attack.figure is None or attack.low is None or attack.high is None:
        return "–"
    return f"{attack.figure:.3f} ({attack.low:.3f} to {attack.high:.3f})"


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.3f}"
