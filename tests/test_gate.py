"""The gate: which limits there are, what crosses them, and what happens then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from conftest import Server
from postgres_tools import as_role, made_roles, value
from postgres_tools import run as run_sql

from replica import errors
from replica.cli import run
from replica.databases.url import DatabaseUrl
from replica.evaluation.attacks.base import AttackResult, PrivacyReport, Verdict
from replica.evaluation.constraints import ConstraintScores
from replica.evaluation.evaluate import EvaluationReport
from replica.evaluation.figures import Figure
from replica.pipeline import evaluate
from replica.report.gate import Gate, GateResult, judge, read_gate
from replica.report.junit import junit_xml
from replica.report.measures import MEASURES
from replica.report.verdicts import verdicts_of

SCHEMA = """
CREATE TABLE customer (customer_id int PRIMARY KEY, full_name text NOT NULL, city text, born date);
CREATE TABLE purchase (purchase_id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customer,
                       at timestamp NOT NULL, amount numeric(8,2) NOT NULL);
SELECT setseed({seed});
INSERT INTO customer SELECT i, initcap(substr(translate(md5(random()::text), '0123456789', 'ghijklmnop'), 1, 7)) ||
  ' ' || initcap(substr(translate(md5(random()::text), '0123456789', 'ghijklmnop'), 1, 9)),
  (ARRAY['Oslo', 'Bergen', 'Hamar'])[1 + floor(3 * random() ^ 2)::int], date '1950-01-01' + (random() * 18000)::int
  FROM generate_series(1, 300) i;
INSERT INTO purchase SELECT i, 1 + floor(300 * random())::int, timestamp '2024-01-01' + random() * interval '300 days',
  5 + (90 * random() ^ 2)::numeric(8,2) FROM generate_series(1, 900) i;
ANALYZE;
"""
QUICK = ("--effort", "0.1", "--workers", "1", "--quiet")


@pytest.fixture(scope="module")
def draws(server: Server) -> Iterator[tuple[DatabaseUrl, DatabaseUrl]]:
    """Two databases drawn alike: the best replica of each other that there can be."""
    urls = server.create(), server.create()
    for seed, url in zip((0.1, 0.2), urls, strict=True):
        run_sql(url, SCHEMA.format(seed=seed))
    yield urls
    for url in urls:
        server.drop(url)


@pytest.fixture(scope="module")
def honest(draws: tuple[DatabaseUrl, DatabaseUrl]) -> EvaluationReport:
    return evaluate(*draws)


@pytest.fixture(scope="module")
def copied(draws: tuple[DatabaseUrl, DatabaseUrl]) -> EvaluationReport:
    """What an evaluation says of a replica that is the source itself."""
    return evaluate(draws[0], draws[0])


@pytest.fixture
def new_role(server: Server) -> Iterator[Callable[..., str]]:
    with made_roles(server) as make:
        yield make


def gate_of(text: str, folder: Path) -> Gate:
    file = folder / "gate.yaml"
    file.write_text(f"version: 1\n{text}")
    return read_gate(str(file))


def statuses(result: GateResult) -> dict[str, str]:
    return {outcome.name: outcome.status for outcome in result.outcomes}


def attack(verdict: Verdict) -> AttackResult:
    return AttackResult("guess", "Can it be guessed?", "a threat", None, 0.3, 0.2, 0.4, 0.1, 0.9, "0.1", 500, verdict)


# What passes and what does not ---------------------------------------------------------------------------------------


def test_an_honest_replica_passes_the_default_gate_once_it_was_attacked(honest: EvaluationReport) -> None:
    result = judge(read_gate("default"), honest)
    assert [outcome.name for outcome in result.failed] == ["privacy.attacks"]
    states = {verdict.group: verdict.state for verdict in verdicts_of(honest, result)}
    assert states == {"constraints": "pass", "utility": "pass", "privacy": "not run"}
    attacked = replace(honest, privacy=PrivacyReport("public.customer", 450, 50, (attack("pass"), attack("not run"))))
    assert judge(read_gate("default"), attacked).passed


def test_a_copy_of_the_source_does_not_pass_the_default_gate(copied: EvaluationReport) -> None:
    result = judge(read_gate("default"), copied)
    assert {outcome.name for outcome in result.failed} >= {"privacy.newness", "privacy.novelty", "privacy.attacks"}
    assert verdicts_of(copied, result)[2].state == "fail"


def test_a_broken_or_missing_constraint_does_not_pass(honest: EvaluationReport) -> None:
    broken = replace(honest, constraints=ConstraintScores({"a.one": 3, "a.two": 0}, ("a.three",)))
    failed = judge(read_gate("default"), broken).failed
    found = {outcome.name: outcome.text for outcome in failed if outcome.name.startswith("constraints.")}
    assert found == {
        "constraints.missing": "1, at most 0 allowed: a.three",
        "constraints.broken": "1, at most 0 allowed: a.one: 3 rows",
    }


def test_every_score_can_be_limited_and_crossed(honest: EvaluationReport, tmp_path: Path) -> None:
    for name in (name for name, measure in MEASURES.items() if measure.kind == "score"):
        group, _, key = name.partition(".")
        figure = MEASURES[name].take(honest).figure
        least = 0.5 if figure is None else figure.value
        for bound, kept in ((max(0.0, least - 0.01), "pass"), (least + 0.01, "fail")):
            if bound <= 1:
                result = judge(gate_of(f"{group}:\n  {key}: {{least: {bound}}}", tmp_path), honest)
                assert statuses(result) == {name: "does not apply" if figure is None else kept}


def test_chance_is_given_its_due(honest: EvaluationReport, tmp_path: Path) -> None:
    """A score under its ceiling fails only where its whole interval is."""
    (table, *_) = [table for table in honest.tables if table.newness]
    gate = gate_of("privacy:\n  newness: {below_ceiling: 0.1}", tmp_path)
    for high, passes in ((0.85, True), (0.75, False)):
        figure = Figure(0.7, 0.65, high, ceiling=0.9)
        found = judge(gate, replace(honest, tables=(replace(table, newness=figure),)))
        assert found.passed == passes


def test_the_worst_part_counts_where_a_limit_says_so(honest: EvaluationReport, tmp_path: Path) -> None:
    good, bad = Figure(0.9, 0.9, 0.9, ceiling=0.9), Figure(0.5, 0.5, 0.5, ceiling=0.9)
    tables = tuple(
        replace(table, newness=bad if table.table == "public.customer" else good)
        for table in honest.tables
        if table.newness is not None
    )
    report = replace(honest, tables=tables)
    assert judge(gate_of("privacy:\n  newness: {below_ceiling: 0.3}", tmp_path), report).passed
    (failed,) = judge(gate_of("privacy:\n  newness: {worst: 0.3}", tmp_path), report).failed
    assert failed.text == "public.customer: 0.400 from the ceiling, at most 0.3 allowed"


@pytest.mark.parametrize(
    ("verdict", "limits", "passes"),
    [
        ("pass", "inconclusive: fail", True),
        ("fail", "inconclusive: allow, not_run: allow", False),
        ("inconclusive", "inconclusive: allow", True),
        ("inconclusive", "inconclusive: fail", False),
        ("not run", "inconclusive: allow", False),
        ("not run", "inconclusive: allow, not_run: allow", True),
        ("not run", "inconclusive: allow, not_run: with_control", True),
    ],
)
def test_attacks_are_let_through_as_the_gate_says(
    verdict: Verdict, limits: str, passes: bool, honest: EvaluationReport, tmp_path: Path
) -> None:
    report = replace(honest, privacy=PrivacyReport("public.customer", 450, 50, (attack(verdict),)))
    result = judge(gate_of(f"privacy:\n  attacks: {{{limits}}}", tmp_path), report)
    assert statuses(result) == {"privacy.attacks.guess": verdict}
    assert result.passed == passes


def test_attacks_that_nobody_ran_are_not_passed_unless_there_is_nobody_to_attack(
    honest: EvaluationReport, tmp_path: Path
) -> None:
    gate = gate_of("privacy:\n  attacks: {inconclusive: allow}", tmp_path)
    assert statuses(judge(gate, replace(honest, privacy=None))) == {"privacy.attacks": "not run"}
    unknown = PrivacyReport("public.customer", 500, 0, (attack("pass"),))
    assert statuses(judge(gate, replace(honest, privacy=unknown)))["privacy.attacks"] == "not run"
    assert not judge(gate, replace(honest, privacy=None)).passed
    nobody = replace(honest, privacy=PrivacyReport(None, 0, 0, ()))
    assert statuses(judge(gate, nobody)) == {"privacy.attacks": "does not apply"}
    assert judge(gate, nobody).passed
    overlooked = replace(honest, privacy=PrivacyReport(None, 0, 0, (), ("public.member",)))
    (failed,) = judge(gate, overlooked).failed
    assert (failed.status, "public.member" in failed.text) == ("not run", True)
    assert verdicts_of(overlooked, judge(gate, overlooked))[2].state == "not run"


# Files ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("utilty:\n  shapes: {least: 1}", 2, "did you mean utility?"),
        ("utility:\n  shape: {least: 1}", 3, "did you mean shapes?"),
        ("utility:\n  nonsense: {least: 1}", 3, "known are shapes, pairs"),
        ("utility:\n  shapes:\n    least: 1\n    most: 3", 5, "takes least, below_ceiling, worst"),
        ("utility:\n  shapes: {least: high}", 3, "a number from 0 to 1"),
        ("utility:\n  shapes: {least: 1.5}", 3, "a number from 0 to 1"),
        ("constraints:\n  broken: {most: -1}", 3, "a number from 0"),
        ("constraints:\n  broken: {most: yes}", 3, "a number from 0"),
        ("privacy:\n  attacks: {not_run: maybe}", 3, "allow or with_control or fail"),
        ("utility:\n  shapes: {}", 3, "needs a limit"),
        ("utility:\n  shapes: 0.5", 3, "keys and values"),
        ("utility:\n\tshapes: {}", 3, "not YAML"),
    ],
)
def test_what_a_gate_file_may_not_hold_is_named_with_its_line(text: str, line: int, says: str, tmp_path: Path) -> None:
    with pytest.raises(errors.SettingsError, match=r"gate\.yaml") as caught:
        gate_of(text, tmp_path)
    assert f"gate.yaml:{line}:" in str(caught.value)
    assert says in str(caught.value)


def test_a_gate_that_is_none_stops_a_command_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "old.yaml").write_text("version: 7")
    (tmp_path / "list.yaml").write_text("- 1")
    for name in ("nothing.yaml", "old.yaml", "list.yaml"):
        for command in ("evaluate", "run"):
            words = [command, "postgresql:///x", "postgresql:///y", "--gate", str(tmp_path / name)]
            assert run(words) == errors.SettingsError.exit_code
            assert name in capsys.readouterr().err


def test_junit_has_a_test_per_limit(honest: EvaluationReport, copied: EvaluationReport) -> None:
    for report in (honest, copied):
        result = judge(read_gate("default"), report)
        failures = len(result.failed)
        suite = ET.fromstring(junit_xml(result))[0]  # noqa: S314 - our own
        assert suite.attrib["tests"] == str(len(result.outcomes)) == str(len(suite))
        assert suite.attrib["failures"] == str(failures) == str(len(suite.findall("testcase/failure")))
        assert [case.attrib["name"] for case in suite] == [outcome.name for outcome in result.outcomes]


# Commands ------------------------------------------------------------------------------------------------------------


def test_a_run_is_published_only_when_its_gate_is_passed(
    new_database: Callable[..., DatabaseUrl], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = new_database(SCHEMA.format(seed=0.3))
    target = new_database("CREATE TABLE precious (a int); INSERT INTO precious VALUES (1)")
    (tmp_path / "strict.yaml").write_text("version: 1\nutility:\n  shapes: {least: 1}")
    words = ["run", source.secret, target.secret, "--replace", *QUICK]
    strict = ["--gate", str(tmp_path / "strict.yaml"), "--junit", str(tmp_path / "out" / "gate.xml")]
    assert run([*words, *strict]) == errors.GateError.exit_code
    assert "utility.shapes" in capsys.readouterr().err.splitlines()[-1]
    assert value(target, "SELECT a FROM precious") == 1
    suite = ET.parse(tmp_path / "out" / "gate.xml").getroot()[0]  # noqa: S314 - our own
    assert suite.attrib["failures"] == "1"
    (tmp_path / "mild.yaml").write_text("version: 1\nconstraints:\n  broken: {most: 0}")
    assert run([*words, "--gate", str(tmp_path / "mild.yaml"), "-o", str(tmp_path / "report")]) == 0
    assert value(target, "SELECT count(*) FROM purchase") == 900
    assert {file.name for file in (tmp_path / "report").iterdir()} == {"report.html", "report.json", "junit.xml"}
    assert run(["evaluate", source.secret, target.secret, *strict]) == errors.GateError.exit_code


ONE = """
INSERT INTO customer VALUES (1, 'Ann Berg', 'Oslo', '1980-01-01');
INSERT INTO purchase VALUES (1, 1, '2024-01-01', 5);
"""


@pytest.mark.parametrize(("source", "copy", "code"), [("", "", 0), ("", ONE, 0), (ONE, "", 0), (ONE, ONE, 51)])
def test_databases_without_rows_and_of_one_row_are_judged(
    source: str, copy: str, code: int, new_database: Callable[..., DatabaseUrl], capsys: pytest.CaptureFixture[str]
) -> None:
    tables = SCHEMA.partition("SELECT setseed")[0]
    urls = [new_database(tables + rows).secret for rows in (source, copy)]
    assert run(["evaluate", *urls, "--gate", "default"]) == code
    # Of one person too it has to be known whether they were learned.
    assert ("privacy.attacks" in capsys.readouterr().err) == (code != 0)


def test_a_gate_that_could_not_look_is_refused_before_anything_is_learned(
    new_database: Callable[..., DatabaseUrl], new_role: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = new_database(SCHEMA.format(seed=0.3)), new_database()
    words = ["run", source.secret, as_role(target, new_role()).secret, "--gate", "default", *QUICK]
    assert run(words) == errors.PrivilegeError.exit_code
    assert "CREATEDB" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("evaluate", "--publishable"), "-o FOLDER"),
        (("evaluate", "--junit", "x.xml"), "--gate default"),
        (("run", "--junit", "x.xml"), "--gate default"),
        (("run", "--gate", "default", "--schema-only"), "leave --gate"),
    ],
)
def test_options_that_lack_another_are_refused_before_anything_is_read(
    words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command, *options = words
    assert run([command, "postgresql:///x", "postgresql:///y", *options]) == errors.SettingsError.exit_code
    assert says in capsys.readouterr().err
