"""The command that learns a source again and again, for the sake of those who are least like all others."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from replica.cli import show
from replica.cli.options import LEARNING, AsJson, Source, with_settings
from replica.cli.show_privacy import attack_lines
from replica.cli.watching import watching
from replica.settings import Settings
from replica.worst_case import ROUNDS
from replica.worst_case import worst_case as play

_NOT_HERE = ("control", "subject", "record", "schema_only", "rows_per_table")


@with_settings(*(name for name in LEARNING if name not in _NOT_HERE))
def worst_case(
    source: Source,
    settings: Settings,
    rounds: Annotated[int, typer.Option(help="How often the source is learned.")] = ROUNDS,
    subject: Annotated[str | None, typer.Option(help="The table of persons.", show_default="as mapped")] = None,
    as_json: AsJson = False,
) -> None:
    """Look whether the persons who are least like all others leave a trace when they are learned.

    Learns the source several times, each time without a random half of the persons, and writes each replica into an
    embedded PostgreSQL that is thrown away. That takes as long as so many runs.
    """
    with watching(Console(stderr=True, highlight=False)) as report:
        found = play(source, settings, subject=subject, rounds=rounds, report=report)
    if as_json:
        show.print_json(found)
    else:
        for line in attack_lines(found):
            show.output().print(line)
