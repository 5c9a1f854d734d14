"""What attacks found, as a person reads it in a terminal. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from replica.cli.show import grid_of
from replica.evaluation.attacks.base import AttackResult, PrivacyReport

_LEGEND = "No attack proves that there is no leak; power is the chance to see one of the size that it is stated for.\n"
_STYLES = {"fail": "bold red", "inconclusive": "yellow", "pass": "green"}
_ORDER = list(_STYLES)


def privacy_summary(report: PrivacyReport | None) -> Iterator[RenderableType]:
    """A line an attack, of those on several tables the worst; one line where nobody can be attacked."""
    if report is None:
        return
    if report.subject is None:
        yield Text(f"attacks: {report.attacks[0].note}\n", style="dim")
        return
    yield Text(f"Attacks on persons ({report.subject}): {report.members:,} learned, {report.controls:,} kept out")
    grid = grid_of("attack", ">found", ">by chance", ">power", "verdict")
    for attacks in _by_name(report).values():
        worst = min(attacks, key=lambda attack: _ORDER.index(attack.verdict))
        label = worst.name if len(attacks) == 1 else f"{worst.name}, worst of {len(attacks)}"
        name = Text(": ".join(filter(None, (label, worst.table))))
        verdict = Text(worst.verdict, style=_STYLES[worst.verdict])
        grid.add_row(name, _figure(worst), _share(worst.baseline), _share(worst.power), verdict)
    if grid.row_count:
        yield grid
    for note, names in _left(report).items():
        yield Text(f"not run: {', '.join(names)}: {note}", style="dim")
    yield Text(_LEGEND, style="dim")


def attack_lines(attack: AttackResult) -> Iterator[RenderableType]:
    """One attack with all that is known of it."""
    yield Text(f"{attack.question}\n{attack.threat}\n", style="dim")
    yield Text(f"{attack.name}: {attack.verdict}", style=_STYLES.get(attack.verdict, "dim"))
    yield Text(f"{_figure(attack)} where {_share(attack.baseline)} is chance; {attack.note}")
    if attack.power is not None:
        yield Text(f"If {attack.detectable}, this fails with a probability of {attack.power:.2f}.")


def _by_name(report: PrivacyReport) -> dict[str, list[AttackResult]]:
    """The attacks that were run: most are on persons, some on one table after the other."""
    found: dict[str, list[AttackResult]] = {}
    for attack in report.attacks:
        if attack.verdict != "not run":
            found.setdefault(attack.name, []).append(attack)
    return found


def _left(report: PrivacyReport) -> dict[str, list[str]]:
    """Names of the attacks that were not run, by the reason."""
    names: dict[str, list[str]] = {}
    for attack in report.attacks:
        if attack.verdict == "not run":
            names.setdefault(attack.note, []).append(attack.name)
    return {note: list(dict.fromkeys(found)) for note, found in names.items()}


def _figure(attack: AttackResult) -> str:
    if attack.figure is None or attack.low is None or attack.high is None:
        return "–"
    return f"{attack.figure:.3f} ({attack.low:.3f} to {attack.high:.3f})"


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.3f}"
