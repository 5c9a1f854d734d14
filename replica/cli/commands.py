"""The commands: each reads its words, calls one stage and shows what came out."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import replica
from replica.artifact import read_manifest
from replica.cli import show
from replica.cli.demo import Demo, run_demo
from replica.cli.options import (
    LEARNING,
    PLANNING,
    RUNNING,
    WRITING,
    AsJson,
    Copy,
    Original,
    Quiet,
    Source,
    Target,
    with_settings,
)
from replica.cli.reporting import Claim, GateName, JUnit, Output, Publishable, Wanted, refuse, release_of
from replica.cli.show_evaluation import evaluation_summary, gate_lines
from replica.cli.show_ledger import budget_preview, ledger_summary, searched_table
from replica.cli.watching import watching
from replica.cli.worst_case import worst_case
from replica.errors import ArtifactError, BudgetError, IntegrityError, LeakError, SchemaMapError, SettingsError
from replica.pipeline import Planned, describe, search_artifact
from replica.planning.scope import with_full_names
from replica.privacy.budget import budget_of
from replica.protecting.auditing import fewest_persons
from replica.report.as_json import evaluation_json, gate_json
from replica.report.gate import judge
from replica.schema.schema_map import json_schema, read_map, write_map
from replica.settings import Settings

app = typer.Typer(
    name="replica",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help=(
        "Writes a synthetic replica of a database: same schema, same statistics, every constraint valid, none of the"
        " same people.\n\n"
        "Start with replica demo. For a database of your own: inspect shows what it holds,"
        " map drafts what only a person can confirm, check looks for obstacles,"
        " run does it, evaluate says how alike the two are.\n\n"
        "Settings can be set in the environment too, as in REPLICA_SEED=7. libpq's variables, password and"
        " service files are heeded."
    ),
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"replica {version('replica')}")  # noqa: T201
        raise typer.Exit


@app.callback()
def _main(
    _show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the demonstration's server keeps its data.")] = Path(".demo"),
    seed: Annotated[int, typer.Option(envvar="REPLICA_SEED", show_envvar=False, help="Of the replica.")] = 0,
) -> None:
    """Replicate a bundled sample company inside an embedded PostgreSQL: nothing to install, nothing to set up."""
    run_demo(Demo(folder=folder, seed=seed), show.output(), _messages())


@app.command()
def inspect(source: Source, as_json: AsJson = False) -> None:
    """Show what a database declares; no row of it is read.

    Tables in generations (each after those it points to), circles and where they are broken, columns whose names
    say personal data, and what is not supported and why.
    """
    schema = replica.introspect(source)
    if as_json:
        order = show.order_of(schema)
        show.print_json({"schema": schema, "order": order, "personal": show.personal_by_name(schema)})
    else:
        show.output().print(show.schema_tree(schema))


@app.command()
@with_settings("replace")
def check(source: Source, target: Target, settings: Settings, as_json: AsJson = False) -> None:
    """Look for everything that would stop a run, and say which way the target would be published.

    Connections, privileges table by table, versions, client tools, extensions, disk, row-level security. Leaves with
    the exit code of the first error that a run would stop with; nothing is changed.
    """
    findings = replica.check(source, target, settings)
    if as_json:
        show.print_json([{"status": f.status, "subject": f.subject, "message": f.message} for f in findings])
    else:
        show.output().print(show.findings_table(findings))
    errors = [found for found in findings if found.status == "error"]
    if errors:
        raise errors[0].raises(f"{errors[0].subject}: {errors[0].message}")


@app.command(name="map")
def map_(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Database to look at.", show_default=False)] = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write, or to bring up to date.")
    ] = None,
    print_schema: Annotated[
        bool, typer.Option("--json-schema", help="Print the JSON Schema of maps, for editors, and leave.")
    ] = False,
) -> None:
    """Draft a schema map: what the catalog cannot say, with a comment on each guess.

    With -o FILE that exists, tables and columns that it lacks are added and those that have gone are removed; your
    edits and comments stay. Without -o the draft is printed.
    """
    if print_schema:
        show.print_json(json_schema())
        return
    if not source:
        raise typer.BadParameter("name the SOURCE database")
    previous = None
    if output is not None:
        _require_folder(output)
    if output is not None and output.exists():
        read_map(output)  # A file that is no map is refused before anything is read, and is not overwritten.
        previous = output.read_text(encoding="utf8")
    with watching(_messages()) as report:
        drafted = replica.draft(source, report)
    text = write_map(drafted.schema_map, drafted.comments, previous)
    if output is None:
        print(text, end="")  # noqa: T201
        return
    _write(output, text)
    verb = "brought up to date" if previous is not None else "drafted: read it before you rely on it"
    _messages().print(f"{output} {verb}", markup=False)


@app.command()
@with_settings(*PLANNING, "scale", "rows")
def plan(source: Source, settings: Settings, as_json: AsJson = False) -> None:
    """Show everything that is decided before a row is learned.

    Per table: role, owner, references, the kind of each column, generator, order, and about how many rows it gets.
    """
    decided = replica.make_plan(source, settings)
    exact = with_full_names(settings, decided.plan.schema).rows
    rows = {
        table.id: exact.get(table.id, table.rows if table.role == "lookup" else round(table.rows * settings.scale))
        for table in decided.plan.tables
    }
    if as_json:
        show.print_json({"tables": decided.plan.tables, "skipped": decided.plan.skipped, "rows": rows})
        return
    _show_draft(decided)
    show.output().print(show.plan_tree(decided.plan, rows))
    if decided.protection is not None and settings.epsilon is not None:
        budget = budget_of(settings.epsilon, settings.delta)
        show.output().print(budget_preview(decided.protection, budget))


@app.command()
@with_settings(*LEARNING)
def fit(
    source: Source,
    settings: Settings,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="File to write, as in x.replica.")],
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Learn a database and save what was learned to one file, from which `replica sample` works without the source."""
    _require_folder(output)
    replaced = output.exists()
    with watching(_messages(), quiet=quiet) as report:
        learned = replica.learn(source, settings, report=report, planned=None if quiet else _show_draft)
        replica.save(learned, output)
    if replaced and not quiet:
        _messages().print(f"{output}: what was there before is overwritten", markup=False, soft_wrap=True)
    if as_json:
        show.print_json(read_manifest(output))
    else:
        size = output.stat().st_size / 2**20
        show.output().print(f"{output}: {len(learned.tables)} tables learned, {size:.1f} MB", markup=False)


@app.command()
def ledger(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `replica fit` saved.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Add up what a saved fit spent of its privacy budget, entry by entry, and say what it claims.

    The source is not needed. Leaves with exit code 26 where the entries add up to more than was claimed.
    """
    found = replica.open_artifact(file).privacy
    if found is None:
        raise ArtifactError(f"{file} was fitted without differential privacy: it has no ledger and claims nothing")
    spent = found.spent()
    if as_json:
        show.print_json(
            {"ledger": found, "claim": found.claim, "spent": spent, "events": [repr(e) for e in found.events()]}
        )
    else:
        show.output().print(ledger_summary(found))
    if spent > found.epsilon:
        raise BudgetError(
            f"{file} claims epsilon {found.epsilon:g}, but its entries add up to {spent:.4f}: do not use it"
        )


@app.command(name="audit-artifact")
def audit_artifact(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `replica fit` saved.", show_default=False)],
    source: Original,
    as_json: AsJson = False,
) -> None:
    """Look in a saved fit for texts of SOURCE that too few persons have: under differential privacy nobody's alone.

    SOURCE may be any database with the schema of the source, such as one in which every person has texts of their own.
    Leaves with exit code 27 where one is found. Unlike a ledger this proves nothing: it finds mistakes.
    """
    fitted = replica.open_artifact(file)
    searched = search_artifact(fitted, source)
    if as_json:
        show.print_json(searched)
    else:
        show.output().print(searched_table(searched, fewest_persons(fitted)))
    leaking = [found.column for found in searched if found.found]
    if leaking:
        raise LeakError(
            f"{file} holds texts of too few persons of {', '.join(leaking)}: do not give it away, and report it"
        )


@app.command()
@with_settings(*WRITING)
def sample(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `replica fit` saved.", show_default=False)],
    target: Target,
    settings: Settings,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a database from a saved fit; the source is not needed."""
    with watching(_messages(), quiet=quiet) as report:
        loaded = replica.write(replica.open_artifact(file), target, settings, report)
    _show_load(loaded, as_json)


@app.command()
@with_settings(*RUNNING)
def run(
    source: Source,
    target: Target,
    settings: Settings,
    output: Output = None,
    gate: GateName = None,
    junit: JUnit = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Learn a database and write its replica: the whole way in one command.

    The target appears, or is replaced, in one step at the very end. A run that fails, is stopped or is killed leaves
    what was there before. With --gate the replica is evaluated before that step, and what does not pass is not
    published.
    """
    wanted = Wanted(output, gate=gate, junit=junit)
    limits = wanted.prepare()

    def accept(found: replica.EvaluationReport) -> None:
        result = judge(limits, found)
        wanted.write(release_of(source, target, found.claim), found, result, None)
        if gate is not None:
            _messages().print(gate_lines(result, asked=True))
            refuse(result)

    with watching(_messages(), quiet=quiet) as report:
        planned = None if quiet else _show_draft
        loaded = replica.replicate(
            source, target, settings, report, planned, accept=accept if gate or output is not None else None
        )
    _show_load(loaded, as_json)
    if not quiet and output is None:
        _messages().print(f"\nHow alike they are: replica evaluate SOURCE {target}", markup=False, soft_wrap=True)


@app.command()
@with_settings("map_path", "queries", "record")
def evaluate(  # noqa: PLR0913, PLR0917 - each is an option
    source: Original,
    target: Copy,
    settings: Settings,
    output: Output = None,
    publishable: Publishable = False,
    gate: GateName = None,
    junit: JUnit = None,
    claim: Claim = None,
    as_json: AsJson = False,
) -> None:
    """Say how alike a replica and its source are and behave, and count broken constraints.

    References that the schema does not declare count too: those of the map, or without one those that a draft adopts.
    Scores lie between 0 and 1, where 1 is alike. Leaves with exit code 44 where a constraint that holds in the source
    is missing or broken in the replica; with --gate with 51 where one of its limits is crossed.
    """
    wanted = Wanted(output, publishable, gate, junit)
    limits = wanted.prepare()
    ledger = replica.open_artifact(claim).privacy if claim else None
    with watching(_messages()) as report:
        found = replica.evaluate(source, target, report, settings)
        portrait = describe(source, target, report, settings) if wanted.needs_portrait else None
    result = judge(limits, found)
    wanted.write(release_of(source, target, ledger), found, result, portrait)
    if as_json:
        show.print_json(evaluation_json(found) | ({"gate": gate_json(result)} if gate else {}))
    else:
        show.output().print(evaluation_summary(found))
        show.output().print(gate_lines(result, asked=gate is not None))
    if gate is not None:
        refuse(result)
    elif not found.valid:
        count = len(found.constraints.missing) + sum(1 for rows in found.constraints.broken.values() if rows)
        raise IntegrityError(f"{count} constraints of the source are missing or broken in the replica: see the report")


app.command("worst-case")(worst_case)


def _messages() -> Console:
    """The console for everything that is not a result."""
    return Console(stderr=True, highlight=False)


def _show_draft(decided: Planned) -> None:
    if decided.draft is not None:
        _messages().print(show.DRAFT_HINT, markup=False, soft_wrap=True)
        _messages().print(show.draft_lines(decided.draft))
    for note in decided.plan.notes:
        _messages().print(f"note: {note}", markup=False, soft_wrap=True)


def _show_load(loaded: replica.LoadReport, as_json: bool) -> None:
    if as_json:
        show.print_json(loaded)
    else:
        show.output().print(show.load_table(loaded))
    for note in loaded.notes:
        _messages().print(f"note: {note}", markup=False, soft_wrap=True)


def _require_folder(path: Path) -> None:
    """Refuses, before anything is read, a file in a folder that is not there; most likely it is mistyped."""
    if not path.parent.is_dir():
        raise SettingsError(
            f"{path} cannot be written: there is no folder {path.parent}: create it, or correct the path"
        )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf8")
    except OSError as error:
        raise SchemaMapError(f"{path} cannot be written: {error.strerror}") from None
