"""Reports and gates on the command line: which were asked for, what is written, and how a command ends for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from replica.databases.url import database_name, parse_url
from replica.errors import GateError, SettingsError
from replica.evaluation.evaluate import EvaluationReport
from replica.evaluation.portrait import Portrait
from replica.privacy.ledger import Ledger
from replica.report.as_json import confidential_json, publishable_json
from replica.report.gate import DEFAULT, Gate, GateResult, read_gate
from replica.report.junit import junit_xml
from replica.report.page import Release, confidential_page, publishable_page
from replica.report.writing import require_folder, write_files

Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FOLDER", help="Write report.html and report.json there."),
]
Publishable = Annotated[
    bool,
    typer.Option(
        "--publishable/--confidential",
        help="What the report holds: nothing computed on rows of the original, or everything.",
    ),
]
GateName = Annotated[
    str | None,
    typer.Option("--gate", metavar="default|FILE", help="Fail where a figure crosses a limit of this gate."),
]
Claim = Annotated[
    Path | None,
    typer.Option("--claim", metavar="FILE", help="What `replica fit` saved: its claim and ledger go into the report."),
]
JUnit = Annotated[
    Path | None,
    typer.Option("--junit", metavar="FILE", help="Write what became of the gate's limits as JUnit XML."),
]


@dataclass(frozen=True)
class Wanted:
    """What to make of an evaluation.

    Attributes:
        output: the folder of the report; None for no report.
        publishable: whether the report is to hold nothing computed on rows of the original.
        gate: the gate; None for no gate. Verdicts are then those of the default one, and stop nobody.
        junit: where to write the gate's outcomes besides.
    """

    output: Path | None = None
    publishable: bool = False
    gate: str | None = None
    junit: Path | None = None

    def prepare(self) -> Gate:
        """Looks at everything that can be wrong before any database is looked at, and returns the limits.

        Raises:
            SettingsError: the gate is none, or an option lacks another one.
            ReportError: nothing can be written where it is asked for.
        """
        if self.publishable and self.output is None:
            raise SettingsError("--publishable is about a report: say with -o FOLDER where it goes")
        if self.junit is not None and self.gate is None:
            raise SettingsError("--junit writes what became of a gate: give --gate default, or a file")
        gate = read_gate(self.gate or DEFAULT)
        if self.output is not None:
            require_folder(self.output)
        if self.junit is not None:
            require_folder(self.junit.parent)
        return gate

    @property
    def needs_portrait(self) -> bool:
        """True where the replica has to be looked at by itself."""
        return self.output is not None and self.publishable

    def write(self, release: Release, report: EvaluationReport, result: GateResult, portrait: Portrait | None) -> None:
        """Writes what was asked for.

        Raises:
            ReportError: a file cannot be written.
        """
        if self.output is not None and portrait is not None:
            write_files(self.output, _publishable(release, portrait), private=False)
        elif self.output is not None:
            write_files(self.output, _confidential(release, report, result), private=True)
            if self.gate is not None:
                write_files(self.output, {"junit.xml": junit_xml(result)}, private=True)
        if self.junit is not None and self.gate is not None:
            write_files(self.junit.parent, {self.junit.name: junit_xml(result)}, private=True)


def refuse(result: GateResult) -> None:
    """Ends a command whose gate was not passed.

    Raises:
        GateError: a limit is crossed.
    """
    if result.passed:
        return
    first, *more = result.failed
    others = f" (and {len(more)} more)" if more else ""
    raise GateError(f"{result.gate} was not passed: {first.name}: {first.text}{others}")


def release_of(source: str, target: str, ledger: Ledger | None = None) -> Release:
    """Returns what a report says of itself: names without servers and users, the time, the version, the claim."""
    original, copy = (database_name(parse_url(url)) for url in (source, target))
    return Release(original, copy, f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", version("replica"), ledger)


def _confidential(release: Release, report: EvaluationReport, result: GateResult) -> Mapping[str, bytes]:
    page = confidential_page(release, report, result)
    return {"report.html": page.encode(), "report.json": confidential_json(release, report, result)}


def _publishable(release: Release, portrait: Portrait) -> Mapping[str, bytes]:
    page = publishable_page(release, portrait)
    return {"report.html": page.encode(), "report.json": publishable_json(release, portrait)}
