"""The options that stand for settings: each declared once, used by every command that heeds it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from replica.errors import SettingsError
from replica.generators import CHOICES, DEFAULT_GENERATOR, PRIVATE_GENERATOR
from replica.generators.devices import DEVICES
from replica.settings import Settings

_DEFAULTS = Settings()

Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="Database to learn from: postgresql://user@host/name, or env:NAME or file:PATH that holds the address.",
        show_default=False,
    ),
]
Target = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="Database to write; created if it does not exist. Addresses are written as for SOURCE.",
        show_default=False,
    ),
]
Original = Annotated[
    str,
    typer.Argument(metavar="SOURCE", help="Database to compare with; addresses as for run.", show_default=False),
]
Copy = Annotated[str, typer.Argument(metavar="TARGET", help="Its replica, which is only read.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing on the way; errors are still printed.")]


def _option(name: str, *, short: str | None = None, **more: Any) -> Any:
    flags = [f"--{name}", *([short] if short else [])]
    return typer.Option(*flags, envvar=f"REPLICA_{name.upper().replace('-', '_')}", show_envvar=False, **more)


# Name of the setting: the type it has on the command line, what it is without the option, and the option.
_SETTINGS: Final[Mapping[str, tuple[Any, Any, Any]]] = {
    "map_path": (
        Path | None,
        None,
        _option("map", metavar="FILE", help="Schema map to use. Without it a draft is used and its guesses printed."),
    ),
    "seed": (int, _DEFAULTS.seed, _option("seed", help="The same seed gives the same database.")),
    "workers": (
        int | None,
        None,
        _option("workers", help="Processes and connections.", show_default="number of processors"),
    ),
    "device": (
        str,
        _DEFAULTS.device,
        _option("device", help=f"Where nets learn and draw: {', '.join(DEVICES)}."),
    ),
    "scale": (
        float,
        _DEFAULTS.scale,
        _option("scale", help="How many times the source's rows; lookups keep theirs."),
    ),
    "rows": (
        list[str],
        (),
        _option(
            "rows",
            metavar="SCHEMA.TABLE=N",
            help="Exact rows of a table, as in hr.employee=500 or employee=500. Repeatable.",
        ),
    ),
    "schema_only": (
        bool,
        False,
        typer.Option("--schema-only", help="Read no row: imagine rows from names, types, comments and checks."),
    ),
    "rows_per_table": (
        int,
        _DEFAULTS.rows_per_table,
        _option("rows-per-table", metavar="N", help="With --schema-only: most rows per table, if its keys have room."),
    ),
    "include": (
        list[str],
        (),
        _option(
            "include", metavar="SCHEMA.TABLE", help="Fill only this table and what it cannot do without. Repeatable."
        ),
    ),
    "exclude": (
        list[str],
        (),
        _option("exclude", metavar="SCHEMA.TABLE", help="Leave this table empty, and what needs it. Repeatable."),
    ),
    "generator": (
        str | None,
        None,
        _option(
            "generator",
            help=f"Family of models: {', '.join(CHOICES)}.",
            show_default=f"{DEFAULT_GENERATOR}; {PRIVATE_GENERATOR} with --epsilon",
        ),
    ),
    "min_holders": (
        int,
        _DEFAULTS.min_holders,
        _option("min-holders", help="Fewest persons who must share a value for it to be kept as it is."),
    ),
    "max_minutes": (
        float | None,
        None,
        _option("max-minutes", help="Stop learning after about this long.", show_default="no limit"),
    ),
    "effort": (
        float,
        _DEFAULTS.effort,
        _option("effort", help="Passes over the rows, relative to the usual; below 1 is quicker and rougher."),
    ),
    "fit_rows": (
        int,
        _DEFAULTS.fit_rows,
        _option("fit-rows", help="Most rows of a table to learn from; beyond it, whole families are sampled."),
    ),
    "rules": (
        bool,
        _DEFAULTS.rules,
        typer.Option(
            "--rules/--no-rules",
            envvar="REPLICA_RULES",
            show_envvar=False,
            help="Keep rules that rows follow although the schema does not declare them.",
        ),
    ),
    "epsilon": (
        float | None,
        None,
        _option("epsilon", help="Learn under differential privacy with this epsilon.", show_default="without"),
    ),
    "delta": (float, _DEFAULTS.delta, _option("delta", help="The delta that goes with --epsilon.")),
    "public": (
        list[str],
        (),
        _option("public", metavar="NAME", help="With --epsilon: a table about nobody, or 'ref.*'. Repeatable."),
    ),
    "links": (
        list[str],
        (),
        _option("link", metavar="NAME", help="With --epsilon: a table that links others to their persons. Repeatable."),
    ),
    "queries": (
        Path | None,
        None,
        _option("queries", metavar="FILE", help="SELECT statements of your own whose answers are compared too."),
    ),
    "control": (
        float | None,
        None,
        _option(
            "control",
            metavar="SHARE",
            help="Keep a share of the persons out of learning, so that attacks have somebody to compare with.",
            show_default="nobody",
        ),
    ),
    "subject": (
        str | None,
        None,
        _option(
            "subject",
            metavar="SCHEMA.TABLE",
            help="The table of these persons, or of those that --epsilon protects.",
            show_default="as mapped",
        ),
    ),
    "record": (
        Path | None,
        None,
        _option(
            "record",
            metavar="FILE",
            help="The private record of who was kept out.",
            show_default="in the user's folder for state",
        ),
    ),
    "rebalance": (
        list[str],
        (),
        _option(
            "rebalance",
            metavar="TABLE.COLUMN:VALUE=SHARE",
            help="Give a value this share of its table's rows, as in loan.status:B=0.3. Repeatable.",
        ),
    ),
    "where": (
        list[str],
        (),
        _option(
            "where",
            metavar="TABLE:CONDITION",
            help="Make only rows that satisfy a condition, as in \"customer: country = 'NO'\". Repeatable.",
        ),
    ),
    "replace": (
        bool,
        False,
        typer.Option("--replace", help="Replace a target that is not empty, at the very end and in one step."),
    ),
}

PLANNING: Final = (
    "map_path",
    "schema_only",
    "rows_per_table",
    "include",
    "exclude",
    "generator",
    "min_holders",
    "rules",
    "epsilon",
    "delta",
    "subject",
    "public",
    "links",
)
LEARNING: Final = (*PLANNING, "seed", "workers", "device", "max_minutes", "effort", "fit_rows", "control", "record")
WRITING: Final = ("replace", "seed", "workers", "device", "scale", "rows", "rebalance", "where", "rules", "record")
RUNNING: Final = tuple(dict.fromkeys((*WRITING, *LEARNING)))


def with_settings(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Gives a command an option for each named setting, and hands it the :class:`Settings` that they make.

    Args:
        names: fields of :class:`Settings`; the others keep their defaults.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "settings"]

        @functools.wraps(command)
        def wrapped(**given: Any) -> Any:
            chosen = {name: given.pop(name) for name in names}
            return command(settings=_settings(chosen), **given)

        options = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])
            for name, (kind, default, option) in _SETTINGS.items()
            if name in names
        ]
        positional = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        wrapped.__signature__ = inspect.Signature([*positional, *options])  # type: ignore[attr-defined]
        return wrapped

    return decorate


def _settings(chosen: dict[str, Any]) -> Settings:
    for name in ("include", "exclude", "public", "links", "where"):
        if name in chosen:
            chosen[name] = tuple(chosen[name] or ())
    if "rows" in chosen:
        chosen["rows"] = dict(_rows(text) for text in chosen["rows"] or ())
    if "rebalance" in chosen:
        chosen["rebalance"] = dict(_share(text) for text in chosen["rebalance"] or ())
    return Settings(**chosen)


def _rows(text: str) -> tuple[str, int]:
    """Reads ``TABLE=N``."""
    table, _, count = text.rpartition("=")
    if not table or not count.strip().isdigit():
        raise SettingsError(f"--rows {text}: write TABLE=N with a whole number, as in hr.employee=500")
    return table.strip(), int(count)


def _share(text: str) -> tuple[str, float]:
    """Reads ``TABLE.COLUMN:VALUE=SHARE``."""
    value, _, share = text.rpartition("=")
    try:
        return value, float(share)
    except ValueError:
        raise SettingsError(
            f"--rebalance {text}: write TABLE.COLUMN:VALUE=SHARE with a share from 0 to 1, as in loan.status:B=0.3"
        ) from None
