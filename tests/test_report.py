"""The report of an evaluation: what it shows, what it keeps to itself, and that it needs nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from conftest import Server
from postgres_tools import run as run_sql

from replica import errors
from replica.cli import run
from replica.databases.url import DatabaseUrl
from replica.evaluation.attacks.base import PrivacyReport
from replica.evaluation.attacks.membership import SUREST
from replica.evaluation.evaluate import EvaluationReport
from replica.evaluation.portrait import Portrait
from replica.pipeline import describe, evaluate
from replica.privacy.auditing import OneRun
from replica.privacy.ledger import Entry, Ledger
from replica.report.as_json import confidential_json
from replica.report.evidence import evidence_of
from replica.report.gate import judge, read_gate
from replica.report.page import Release, confidential_page, publishable_page
from replica.report.schema_picture import lay_out
from replica.report.writing import require_folder, write_files

SCHEMA = """
CREATE TABLE status (code text PRIMARY KEY, label text NOT NULL);
CREATE TABLE customer (customer_id int PRIMARY KEY, full_name text NOT NULL, email text, city text, born date,
                       parent_id int REFERENCES customer);
CREATE TABLE purchase (purchase_id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customer, at timestamptz,
                       amount numeric(8,2) CHECK (amount > 0), status text NOT NULL REFERENCES status, note text);
CREATE TABLE "<b>odd</b>" ("a&b" int PRIMARY KEY, "'quoted'" text);
CREATE TABLE nothing (nothing_id int PRIMARY KEY, reason text);
CREATE TABLE single (single_id int PRIMARY KEY, reason text);
INSERT INTO status VALUES ('n', 'new'), ('p', 'paid');
"""

ORIGINAL = """
INSERT INTO customer SELECT i, 'Canaria Quux' || i, 'canary' || i || '@quux.test',
  (ARRAY['Canarytown', 'Oslo', 'Bergen'])[1 + i % 3], date '1937-01-01' + i, CASE WHEN i > 1 THEN 1 + i / 3 END
  FROM generate_series(1, 200) i;
INSERT INTO purchase SELECT i, 1 + i * i % 200, timestamptz '1987-01-01' + i * interval '7 hours', 31337.25 + i % 90,
  (ARRAY['n', 'p'])[1 + i % 2], 'canary note ' || i FROM generate_series(1, 900) i;
INSERT INTO "<b>odd</b>" SELECT i, '<script>alert(1)</script>' FROM generate_series(1, 30) i;
INSERT INTO single VALUES (1, 'canary alone');
ANALYZE;
"""

SYNTHETIC = """
INSERT INTO customer SELECT i, 'Made Up' || i, 'made' || i || '@example.com',
  (ARRAY['Oslo', 'Bergen'])[1 + i % 2], date '1971-01-01' + i * 3, CASE WHEN i > 1 THEN 1 + i / 4 END
  FROM generate_series(1, 120) i;
INSERT INTO purchase SELECT i, 1 + i * 7 % 120, timestamptz '2021-01-01' + i * interval '5 hours', 5 + i % 70,
  (ARRAY['n', 'p'])[1 + i % 2], 'made up note ' || i FROM generate_series(1, 500) i;
INSERT INTO "<b>odd</b>" SELECT i, '</table><img src=http://evil.test/x>' FROM generate_series(1, 30) i;
INSERT INTO single VALUES (1, 'made up');
ANALYZE;
"""

# Values, or ends of axes, that only the original has.
CANARIES = re.compile(r"(?i)canar|quux|31[,.]?3[34]\d|1937|1987|alert\(1\)")
RELEASE = Release("shop", "shop_replica", "2026-01-02 03:04 UTC", "1.2.3")


@dataclass(frozen=True)
class Evaluated:
    """A source, a replica of another size, and all that is known of both."""

    source: DatabaseUrl
    target: DatabaseUrl
    report: EvaluationReport
    portrait: Portrait


@pytest.fixture(scope="module")
def evaluated(server: Server) -> Iterator[Evaluated]:
    source, target = server.create(), server.create()
    run_sql(source, SCHEMA + ORIGINAL)
    run_sql(target, SCHEMA + SYNTHETIC)
    yield Evaluated(source, target, evaluate(source, target), describe(source, target))
    for url in (source, target):
        server.drop(url)


@pytest.fixture(scope="module")
def confidential(evaluated: Evaluated) -> str:
    return confidential_page(RELEASE, evaluated.report, judge(read_gate("default"), evaluated.report))


@pytest.fixture(scope="module")
def publishable(evaluated: Evaluated) -> str:
    return publishable_page(RELEASE, evaluated.portrait)


@pytest.fixture(params=["confidential", "publishable"])
def page(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def test_a_page_asks_for_nothing_outside_of_itself(page: str) -> None:
    assert "default-src 'none'" in page
    for tag in re.findall(r"<[^>]+>", page):
        for name, value in re.findall(r"\b(src|href|action|data|poster|srcset)=\"([^\"]*)\"", tag):
            assert name == "href", tag
            assert value.startswith("#"), tag
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_names_and_values_are_text_and_never_markup(confidential: str) -> None:
    assert "<b>odd" not in confidential
    assert "&lt;b&gt;odd&lt;/b&gt;" in confidential
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in confidential
    assert "<img" not in confidential
    assert confidential.count("<script>") == 1


def test_every_link_leads_somewhere(page: str) -> None:
    anchors = re.findall(r"\bid=\"([^\"]+)\"", page)
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r"href=\"#([^\"]+)\"", page)) <= set(anchors)
    assert len(re.findall(r"id=\"table-\d+\"", page)) == 6


def test_the_confidential_page_shows_both_sides_and_says_so_in_every_section(confidential: str) -> None:
    assert "Canaria Quux" in confidential
    assert "Made Up" in confidential
    sections = confidential.count("<section") - 1  # The first screen has the stamp right above it.
    assert confidential.count('<span class="mark">confidential</span>') == sections


def test_the_publishable_page_holds_nothing_of_the_original(evaluated: Evaluated, publishable: str) -> None:
    assert "Made Up" in publishable
    assert not CANARIES.search(publishable)
    # Neither a score nor a colour that follows from one.
    assert not re.search(r"\bg[0-4]\b\"|ceiling|floor", publishable[publishable.index("</style>") :])
    assert "200" not in re.sub(r"<svg.*?</svg>|style=\"[^\"]*\"", "", publishable[publishable.index("<main>") :])
    assert not CANARIES.search(repr(evaluated.portrait.pictures))


def test_the_publishable_page_follows_from_the_replica_alone(
    evaluated: Evaluated, publishable: str, server: Server
) -> None:
    """Another original with the same schema gives the same page, to the letter."""
    other = server.create()
    try:
        run_sql(other, SCHEMA)
        assert publishable_page(RELEASE, describe(other, evaluated.target)) == publishable
    finally:
        server.drop(other)


@pytest.mark.parametrize(("right", "told", "consistent"), [(42, 0.03, True), (80, 0.03, False), (42, 0.4, False)])
def test_a_claim_is_held_against_what_attacks_found(
    evaluated: Evaluated, right: int, told: float, *, consistent: bool
) -> None:
    ledger = Ledger("public.customer", 1.0, 1e-6, (Entry("models", "t", 1.0, 400.0),))
    surest = replace(SUREST.not_run(), figure=told, low=told, high=told, baseline=0.01, n=1000, verdict="pass")
    privacy = PrivacyReport("public.customer", 900, 500, (surest,), audit=OneRun(400, 80, right))
    evidence = evidence_of(ledger, privacy)
    assert evidence.consistent == consistent
    report = replace(evaluated.report, privacy=privacy)
    page = confidential_page(replace(RELEASE, ledger=ledger), report, judge(read_gate("default"), report))
    assert f"disproves every epsilon below {evidence.disproved:.2f}" in page
    assert evidence_of(ledger, None).consistent


def test_a_claim_stands_in_both_versions_with_its_ledger_added_up(evaluated: Evaluated) -> None:
    entries = (Entry("rows", "public.customer", 1.0, 900.0), Entry("marginals", "public.purchase", 2.0, 8100.0))
    for epsilon, kept in ((3.0, True), (0.01, False)):
        ledger = Ledger("public.customer", epsilon, 1e-6, entries, {"public.purchase": "(customer_id)"})
        release = replace(RELEASE, ledger=ledger)
        result = judge(read_gate("default"), evaluated.report)
        for page in (
            confidential_page(release, evaluated.report, result),
            publishable_page(release, evaluated.portrait),
        ):
            assert ledger.claim in page
            assert f"adds up to epsilon {ledger.spent():.4f}" in page
            before = page[: page.index("The ledger below")].rsplit("<p>", 1)[1]
            assert ("state pass" in before) == kept


def test_empty_tables_and_tables_of_one_row_are_shown(confidential: str, evaluated: Evaluated) -> None:
    assert evaluated.report.pictures["public.nothing"].excerpt.rows == ((), ())
    assert "no rows" in confidential
    assert "canary alone" in confidential


def test_a_repr_holds_no_value(evaluated: Evaluated) -> None:
    for found in (evaluated.report, evaluated.portrait):
        assert not re.search(r"(?i)canar|quux|made up", repr(found))


def test_files_hold_what_they_may_and_are_for_those_who_may_see_it(evaluated: Evaluated, tmp_path: Path) -> None:
    words = ["evaluate", evaluated.source.secret, evaluated.target.secret, "-o", str(tmp_path / "r"), "--publishable"]
    assert run(words) == 0
    files = {file.name: file for file in (tmp_path / "r").iterdir()}
    assert {name: file.stat().st_mode & 0o777 for name, file in files.items()} == {
        "report.html": 0o644,
        "report.json": 0o644,
    }
    assert not any(CANARIES.search(file.read_text()) for file in files.values())
    result = judge(read_gate("default"), evaluated.report)
    text = confidential_json(RELEASE, evaluated.report, result).decode()
    assert not re.search(r"(?i)canar|quux|made up", text)
    data = json.loads(text)
    assert data["kind"] == "confidential"
    assert {table["table"] for table in data["tables"]} >= {"public.customer", "public.purchase"}
    write_files(tmp_path / "r", {"report.html": b"x"}, private=True)
    assert files["report.html"].stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "no" / "where", tmp_path / "file" / "below"):
        assert run(["evaluate", "postgresql:///x", "postgresql:///y", "-o", str(folder)]) == 52
        assert str(folder) in capsys.readouterr().err
        with pytest.raises(errors.ReportError):
            require_folder(folder)


def test_databases_of_other_schemas_are_refused_and_leave_no_report(
    evaluated: Evaluated, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = server.create()
    try:
        run_sql(other, "CREATE TABLE status (code text PRIMARY KEY)")
        code = run(["evaluate", evaluated.source.secret, other.secret, "-o", str(tmp_path)])
        assert code == errors.EvaluateError.exit_code
        assert "the target has no table" in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []
    finally:
        server.drop(other)


def test_tables_stand_to_the_right_of_what_they_point_to(evaluated: Evaluated) -> None:
    picture = lay_out(evaluated.report.plan.schema)
    at = {node.table: node for node in picture.nodes}
    assert set(at) == {table.id for table in evaluated.report.plan.schema.tables}
    assert at["public.purchase"].x > at["public.customer"].x + at["public.customer"].width
    assert len(picture.edges) == 3
    boxes = list(at.values())
    apart = [
        one.x + one.width <= other.x
        or other.x + other.width <= one.x
        or one.y + one.height <= other.y
        or other.y + other.height <= one.y
        for i, one in enumerate(boxes)
        for other in boxes[:i]
    ]
    assert all(apart)
    assert all(node.x >= 0 and node.x + node.width <= picture.width for node in boxes)
    assert all(node.y >= 0 and node.y + node.height <= picture.height for node in boxes)


# In a browser ---------------------------------------------------------------------------------------------------------

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# What a reader does and sees, told in the page itself, since nothing else can look into it.
PROBE = """
<script>
addEventListener("load", () => setTimeout(() => {
  const node = document.querySelector(".schema a[href]");
  const table = document.querySelector(node.getAttribute("href"));
  const closed = !table.open;
  node.focus();
  const lit = document.querySelectorAll(".edge.lit").length;
  node.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
  setTimeout(() => {
    parent.postMessage(JSON.stringify({
      width: innerWidth,
      wide: document.documentElement.scrollWidth,
      opened: closed && table.open,
      focused: table.contains(document.activeElement),
      lit,
      fetched: performance.getEntriesByType("resource").map((one) => one.name),
      dark: matchMedia("(prefers-color-scheme: dark)").matches,
      paper: getComputedStyle(document.body).backgroundColor,
      columns: getComputedStyle(document.querySelector(".cards")).gridTemplateColumns.split(" ").length,
      reached: [...document.querySelectorAll("a[href], summary, [tabindex='0']")].every((one) => one.tabIndex >= 0),
    }), "*");
  }, 300);
}, 100));
</script>
"""


# No window is narrower than 500 pixels, a frame is.
FRAME = """<!doctype html><iframe src="page.html" style="border:0;width:{width}px;height:900px"></iframe>
<output id="probe"></output>
<script>addEventListener("message", (event) => document.querySelector("#probe").textContent = event.data)</script>
"""


def looked_at(page: str, folder: Path, width: int, *, dark: bool) -> dict[str, Any]:
    """Opens a page, clicks on a table of the schema, and says what came of it."""
    (folder / "page.html").write_text(page.replace("</body>", f"{PROBE}</body>"))
    frame = folder / "frame.html"
    frame.write_text(FRAME.format(width=width))
    with TemporaryDirectory(prefix="replica-browser-") as profile:
        found = subprocess.run(
            [
                str(CHROMIUM),
                "--headless=new",
                "--disable-gpu",
                *(["--no-sandbox"] if os.geteuid() == 0 else []),
                f"--user-data-dir={profile}",
                "--window-size=1400,1000",
                *(["--blink-settings=preferredColorScheme=0"] if dark else []),
                "--virtual-time-budget=5000",
                "--dump-dom",
                frame.as_uri(),
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
    said = re.search(r'<output id="probe">(.+?)</output>', found.stdout)
    assert said is not None, found.stderr[-1000:]
    return dict(json.loads(said[1].replace("&gt;", ">").replace("&amp;", "&")))


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_a_reader_finds_the_page_whole_at_every_width(
    confidential: str, tmp_path: Path, width: int, dark: bool
) -> None:
    seen = looked_at(confidential, tmp_path, width, dark=dark)
    assert seen["width"] == width
    assert seen["wide"] <= width
    assert seen["opened"]
    assert seen["focused"]
    assert seen["lit"] > 0
    assert seen["fetched"] == []
    assert seen["dark"] == dark
    assert seen["paper"] == ("rgb(15, 17, 19)" if dark else "rgb(250, 250, 248)")
    assert seen["columns"] == (3 if width > 1000 else 1)
    assert seen["reached"]
