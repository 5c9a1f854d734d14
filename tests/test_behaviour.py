"""How a replica behaves: answers to queries, plans and rules, on databases in which it is known what is right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from conftest import Server
from evaluating import Pair, pair
from postgres_tools import run

import replica
from replica.cli import run as cli
from replica.databases import open_database
from replica.databases.base import PlanStep
from replica.databases.url import DatabaseUrl
from replica.errors import EvaluateError, SettingsError
from replica.evaluation.behaviour import BehaviourScores, score_behaviour
from replica.evaluation.own_queries import OwnQueries, check_queries, compare_answers, read_queries, score_own_queries
from replica.evaluation.plans import q_errors, ratio_of, rows_expected, score_plans, shape_of
from replica.evaluation.queries import score_queries
from replica.evaluation.rules import score_rules
from replica.evaluation.servers import NoAnswer, Servers, asking
from replica.evaluation.workload.drawing import draw_workload
from replica.evaluation.workload.errors import relative_error
from replica.evaluation.workload.query import Condition, Group, Place, Query
from replica.evaluation.workload.sql import as_sql
from replica.schema.rules import ChildSum
from replica.settings import Settings

NewDatabase = Callable[..., DatabaseUrl]
NO_QUERIES = OwnQueries("", ())

# Prices follow from the product, months from the customer's city, and totals from the lines.
SHOP = """
    CREATE TABLE customer (id int PRIMARY KEY, city text NOT NULL, since date NOT NULL);
    CREATE TABLE purchase (
        id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customer, status text NOT NULL,
        placed_on date NOT NULL, sent_on date, total numeric(10, 2)
    );
    CREATE TABLE line (
        id int PRIMARY KEY, purchase_id int NOT NULL REFERENCES purchase, product text NOT NULL, price numeric(8, 2)
    );
    CREATE INDEX line_purchase ON line (purchase_id);
    CREATE INDEX purchase_day ON purchase (placed_on, customer_id);
    INSERT INTO customer SELECT n, (ARRAY['Oslo', 'Zanzibar', 'Rome'])[1 + n % 3], date '2015-01-01' + n * 7
        FROM generate_series(1, 300) n;
    INSERT INTO purchase SELECT n, 1 + n * n % 300, CASE n % 5 WHEN 0 THEN 'open' WHEN 1 THEN 'void' ELSE 'sent' END,
        date '2021-01-01' + n * 11 % 600, NULL, 0 FROM generate_series(1, 3000) n;
    UPDATE purchase SET placed_on = placed_on + 700 WHERE customer_id % 3 = 1;
    UPDATE purchase SET sent_on = placed_on + id % 9 WHERE status = 'sent';
    INSERT INTO line SELECT n, 1 + n % 3000, 'product ' || k, 10 + k * 10
        FROM generate_series(1, 9000) n, LATERAL (SELECT (n + n / 3000 * 5) % 12 AS k) AS kinds;
    UPDATE purchase p SET total = (SELECT sum(price) FROM line WHERE purchase_id = p.id);
    VACUUM ANALYZE;
"""


def shuffled_column(table: str, name: str) -> str:
    """Deals the values of a column to the rows anew; the rows are numbered from 1."""
    dealt = f"SELECT {name}, row_number() OVER (ORDER BY md5('{name}' || id)) AS n FROM {table}"
    return f"UPDATE {table} SET {name} = dealt.{name} FROM ({dealt}) AS dealt WHERE dealt.n = {table}.id"


SHUFFLED = (
    shuffled_column("customer", "city"),
    *(shuffled_column("purchase", name) for name in ("customer_id", "status", "placed_on", "sent_on", "total")),
    *(shuffled_column("line", name) for name in ("purchase_id", "product", "price")),
    "VACUUM ANALYZE",
)
"""Every column for itself, every key at random."""

TWICE = """
    INSERT INTO customer SELECT id + 300, city, since FROM customer;
    INSERT INTO purchase SELECT id + 3000, customer_id + 300, status, placed_on, sent_on, total FROM purchase;
    INSERT INTO line SELECT id + 9000, purchase_id + 3000, product, price FROM line;
    VACUUM ANALYZE;
"""


@pytest.fixture(scope="module")
def make(server: Server) -> Iterator[Callable[..., DatabaseUrl]]:
    made: list[DatabaseUrl] = []

    def new(*scripts: str) -> DatabaseUrl:
        made.append(server.create())
        for script in scripts:
            for statement in script.split(";\n"):
                run(made[-1], statement)
        return made[-1]

    yield new
    for url in made:
        server.drop(url)


@pytest.fixture(scope="module")
def shop(make: Callable[..., DatabaseUrl]) -> DatabaseUrl:
    return make(SHOP)


@contextmanager
def both_asked(source: DatabaseUrl, target: DatabaseUrl) -> Iterator[Servers]:
    with (
        open_database(source).snapshot() as original,
        open_database(target).snapshot() as synthetic,
        asking(original, synthetic) as servers,
    ):
        yield servers


def behave(found: Pair) -> BehaviourScores:
    return score_behaviour(found.servers, found.ground, NO_QUERIES)


@pytest.fixture(scope="module")
def same(shop: DatabaseUrl, make: Callable[..., DatabaseUrl]) -> BehaviourScores:
    """The shop beside itself, with an index of another name."""
    with pair(shop, make(SHOP, "ALTER INDEX line_purchase RENAME TO other_name")) as found:
        return behave(found)


@pytest.fixture(scope="module")
def mixed(make: Callable[..., DatabaseUrl]) -> DatabaseUrl:
    return make(SHOP, *SHUFFLED)


@pytest.fixture(scope="module")
def shuffled(shop: DatabaseUrl, mixed: DatabaseUrl) -> BehaviourScores:
    with pair(shop, mixed) as found:
        return behave(found)


@pytest.fixture(scope="module")
def altered(make: Callable[..., DatabaseUrl]) -> DatabaseUrl:
    """The shop without two of its columns, and with a view."""
    lacking = "ALTER TABLE customer RENAME COLUMN city TO town", "ALTER TABLE purchase DROP COLUMN sent_on"
    return make(SHOP, *lacking, "CREATE VIEW only_here AS SELECT 1 AS n")


# Answers


@pytest.mark.parametrize(
    ("original", "other", "least", "error"),
    [
        ([100.0], [90.0], 0.0, 0.1),
        ([100.0], [250.0], 0.0, 1.0),
        ([-4.0], [-5.0], 0.0, 0.25),
        # Near zero the least counts.
        ([1.0], [3.0], 10.0, 0.2),
        ([0.0], [0.0], 0.0, 0.0),
        ([0.0], [0.001], 0.0, 1.0),
        # The mean over groups; one that is on one side only is wrong, one that is on none is right.
        ([100.0, np.nan, 10.0], [100.0, 5.0, np.nan], 1.0, 2 / 3),
        ([np.nan], [np.nan], 1.0, 0.0),
        ([np.inf, 1.0], [np.inf, 1.0], 1.0, 0.0),
        ([], [], 1.0, 0.0),
    ],
)
def test_a_relative_error(original: list[float], other: list[float], least: float, error: float) -> None:
    assert relative_error(np.array(original), np.array(other), least) == pytest.approx(error)


def test_the_original_beside_itself_answers_alike(same: BehaviourScores) -> None:
    scores = same.queries
    assert len(scores.queries) == len(same.statements) == 80
    assert scores.left_out == {}
    assert scores.error_median == scores.error_ninetieth == 0
    for figure in (scores.agreement, scores.worst_tenth, *scores.by_tables.values()):
        assert figure is not None
        assert figure.ceiling is not None
        # Halves of a copy share rows with halves of the original, so they may differ less than chance would have it.
        assert figure.value >= figure.ceiling - 0.02
    assert scores.agreement is not None
    assert scores.agreement.fidelity is not None
    assert scores.agreement.fidelity > 0.9


def test_columns_that_know_nothing_of_each_other_answer_as_the_floor(shuffled: BehaviourScores) -> None:
    worst = shuffled.queries.worst_tenth
    assert worst is not None
    assert worst.ceiling is not None
    assert worst.floor is not None
    assert worst.floor < worst.ceiling - 0.1
    assert worst.value == pytest.approx(worst.floor, abs=0.1)
    assert shuffled.queries.error_ninetieth is not None
    assert shuffled.queries.error_ninetieth > 0.3


def test_answers_of_a_replica_of_twice_the_size_are_brought_to_the_originals(
    shop: DatabaseUrl, make: Callable[..., DatabaseUrl]
) -> None:
    with pair(shop, make(SHOP, TWICE)) as found:
        scores = score_queries(found.servers, found.ground, draw_workload(found.ground, 40))
        plans = score_plans(found.servers, found.ground, draw_workload(found.ground, 40), {})
    assert scores.error_ninetieth == pytest.approx(0, abs=1e-9)
    assert all(query.rows is not None and query.rows[1] == 2 * query.rows[0] for query in scores.queries)
    assert scores.agreement is not None
    assert scores.agreement.ceiling == pytest.approx(scores.agreement.value, abs=0.06)
    assert plans is not None
    assert plans.estimates.mean == pytest.approx(1, abs=0.1)
    assert plans.original_errors is plans.synthetic_errors is None


def test_answers_by_hand(make: Callable[..., DatabaseUrl]) -> None:
    # 100 of a with 2 each and 50 of b with 4; the replica has 90 of a, 40 of b with 5, and 20 of c with 2.
    rows = """
        CREATE TABLE t (id int PRIMARY KEY, k text, x int);
        INSERT INTO t SELECT n, CASE WHEN n > {c} THEN 'c' WHEN n > {b} THEN 'b' ELSE 'a' END,
            CASE WHEN n BETWEEN {b} + 1 AND {c} THEN {x} ELSE 2 END FROM generate_series(1, 150) n
    """
    source, target = make(rows.format(b=100, c=150, x=4)), make(rows.format(b=90, c=130, x=5))
    k, x = Place(0, "k"), Place(0, "x")
    with pair(source, target) as found:
        a = float(next(f.labels for f in found.ground.features["public.t"] if f.name == "k").index("a"))
        workload = (
            Query("public.t", conditions=(Condition(k, "=", (a,)),)),
            Query("public.t", groups=(Group(k),)),
            Query("public.t", groups=(Group(k),), measure="sum", of=x),
            Query("public.t", groups=(Group(k),), measure="avg", of=x),
            Query("public.t", conditions=(Condition(x, ">=", (3.0,)),), measure="sum", of=x),
        )
        scores = score_queries(found.servers, found.ground, workload)
    mean = (100 * 2 + 50 * 4) / 150
    expected = [
        10 / 100,
        # Ten rows are the least: c is new, with 20.
        (10 / 100 + 10 / 50 + 1) / 3,
        (20 / 200 + 0 + min(1, 40 / (10 * mean))) / 3,
        (0 + 1 / 4 + 1) / 3,
        0,
    ]
    assert [query.error for query in scores.queries] == pytest.approx(expected)
    assert scores.error_median == pytest.approx(sorted(expected)[2])
    assert [query.rows for query in scores.queries] == [(100, 90), (150, 150), (150, 150), (150, 150), (50, 40)]


def test_a_query_that_a_server_does_not_answer_is_left_out_and_named(shop: DatabaseUrl, altered: DatabaseUrl) -> None:
    city = Query("public.customer", groups=(Group(Place(0, "city")),))
    with pair(shop, shop) as found, both_asked(shop, altered) as servers:
        scores = score_queries(servers, found.ground, (city, Query("public.purchase")))
        plans = score_plans(servers, found.ground, (city, Query("public.purchase")), {2: (3000, 3000)})
    assert scores.left_out == {1: "the replica refuses it: line 1: column t0.city does not exist"}
    assert [query.error for query in scores.queries] == [None, 0]
    # On the rows that were read it can be answered all the same.
    assert scores.queries[0].agreement.value > 0.8
    assert plans is not None
    assert (plans.queries, plans.different) == (1, ())


def test_databases_without_rows_are_asked_nothing(make: Callable[..., DatabaseUrl]) -> None:
    tables = "CREATE TABLE a (id int PRIMARY KEY, x int); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a)"
    one = make(tables, "INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1, 1)")
    for source, target in ((make(tables), make(tables)), (one, make(tables)), (make(tables), one)):
        with pair(source, target) as found:
            scores = behave(found)
        assert scores.queries.queries == ()
        assert scores.queries.agreement is None
        assert scores.queries.error_median is None
        assert scores.plans is None


def test_a_replica_without_rows_answers_everything_wrong(shop: DatabaseUrl, make: Callable[..., DatabaseUrl]) -> None:
    with pair(shop, make(SHOP, "TRUNCATE customer CASCADE")) as found:
        scores = behave(found)
    assert scores.queries.error_median == 1
    assert scores.queries.agreement is not None
    assert scores.queries.agreement.value == 0
    assert scores.queries.agreement.ceiling is not None
    assert scores.queries.agreement.ceiling > 0.5


def test_slow_and_wrong_queries_are_told_apart_by_side(shop: DatabaseUrl, altered: DatabaseUrl) -> None:
    with both_asked(shop, altered) as servers:
        slow = servers.answers("SELECT pg_sleep(60)", 0.1, 1)
        wrong = servers.answers("SELECT n\nFROM only_here", 5.0, 1)
        plan = servers.plans("SELECT city FROM customer")
    assert slow == NoAnswer("the original takes longer than 0.1 s")
    assert wrong == NoAnswer("the original refuses it: line 2: relation … does not exist")
    assert plan == NoAnswer("the replica refuses it: line 1: column … does not exist")


# Plans


def step(what: str, rows: float, *inputs: PlanStep, table: str = "", index: str = "") -> PlanStep:
    return PlanStep(what, table, index, rows, what.startswith("Aggregate"), inputs)


def test_the_shape_of_a_plan_is_what_it_does_and_not_what_it_expects() -> None:
    def plan(rows: float, index: str = "btree (a)", first: str = "t0") -> PlanStep:
        scans = step("Index Scan", rows, table=first, index=index), step("Seq Scan", rows, table="t1")
        return step("Aggregate Plain", 1, step("Hash Join Inner", rows, *scans))

    assert shape_of(plan(10)) == shape_of(plan(99))
    assert shape_of(plan(10)) != shape_of(plan(10, index="btree (a, b)"))
    assert shape_of(plan(10)) != shape_of(plan(10, first="t1"))
    assert shape_of(plan(10)) != shape_of(plan(10).inputs[0])


def test_expected_rows_are_those_that_an_aggregate_takes() -> None:
    scan = step("Seq Scan", 50)
    assert rows_expected(scan) == 50
    assert rows_expected(step("Aggregate Plain", 1, scan)) == 50
    assert rows_expected(step("Sort", 7, step("Aggregate Sorted", 7, step("Sort", 40, scan)))) == 40
    assert rows_expected(step("Nested Loop", 9, scan, scan)) == 9
    assert rows_expected(step("Result", 0)) == 0


def test_ratios_and_errors_of_estimates() -> None:
    ratio = ratio_of(np.array([10.0, 10.0, 0.0]), np.array([20.0, 80.0, 1.0]))
    assert ratio.mean == pytest.approx(16 ** (1 / 3))
    assert ratio.spread == pytest.approx(np.exp(np.std(np.log([2, 8, 1]), ddof=1)))
    assert ratio.low < ratio.mean < ratio.high
    assert ratio_of(np.array([3.0]), np.array([6.0])).mean == pytest.approx(2)
    errors = q_errors(np.array([10.0, 5.0, 0.0]), np.array([5.0, 10.0, 1.0]))
    assert errors is not None
    assert (errors.median, errors.worst) == pytest.approx((2, 2))
    assert q_errors(np.zeros(0), np.zeros(0)) is None


def test_the_original_beside_itself_is_planned_alike_whatever_indexes_are_called(same: BehaviourScores) -> None:
    plans = same.plans
    assert plans is not None
    assert plans.queries == 80
    # Both servers looked at a sample of their rows only.
    assert plans.same.value > 0.95
    assert plans.same.low < plans.same.value <= plans.same.high
    assert plans.other_constants is not None
    assert 0.3 < plans.other_constants < 1
    assert plans.estimates.mean == pytest.approx(1, abs=0.05)
    assert plans.original_errors is not None
    assert plans.synthetic_errors is not None
    assert plans.synthetic_errors.median == pytest.approx(plans.original_errors.median, rel=0.1)
    assert plans.original_guesses == plans.synthetic_guesses == ()


def test_an_index_that_is_not_there_shows_in_the_plans(shop: DatabaseUrl, make: Callable[..., DatabaseUrl]) -> None:
    with pair(shop, make(SHOP, "DROP INDEX purchase_day; DROP INDEX line_purchase")) as found:
        workload = draw_workload(found.ground, 80)
        plans = score_plans(found.servers, found.ground, workload, {})
        kept = [i for i, query in enumerate(workload, 1) if "(placed_on, customer_id)" in str(explained(found, query))]
    assert plans is not None
    assert kept
    assert set(kept) <= set(plans.different)
    assert plans.same.value == 1 - len(plans.different) / 80


def explained(found: Pair, query: Query) -> PlanStep:
    plans = found.servers.plans(as_sql(query, found.ground))
    assert isinstance(plans, tuple)
    return plans[0]


def test_a_planner_without_statistics_is_named(make: Callable[..., DatabaseUrl]) -> None:
    script = """
        CREATE TABLE known (id int PRIMARY KEY, x int); CREATE TABLE unknown (id int PRIMARY KEY, x int);
        ALTER TABLE unknown SET (autovacuum_enabled = false);
        INSERT INTO known SELECT n, n % 9 FROM generate_series(1, 100) n; INSERT INTO unknown SELECT * FROM known;
        ANALYZE known
    """
    with pair(make(script), make(script, "ANALYZE")) as found:
        plans = behave(found).plans
    assert plans is not None
    assert (plans.original_guesses, plans.synthetic_guesses) == (("public.unknown",), ())


# Rules


OPEN = "sent_on is null exactly where status is none of 1 values"
TOTAL, PRICE = "total = round(sum(price), 2) of public.line(purchase_id)", "price follows from product"


def test_a_rule_that_the_replica_breaks_is_told_with_its_rows(
    shop: DatabaseUrl, make: Callable[..., DatabaseUrl]
) -> None:
    changes = "UPDATE purchase SET {} WHERE id <= {}"
    sent, total = changes.format("sent_on = placed_on", 7), changes.format("total = total + 1", 1)
    with pair(shop, make(SHOP, sent, total)) as found:
        scores = score_rules(found.servers, found.ground.plan)
    counts = {rule.text: (rule.original, rule.synthetic) for rule in scores.rules}
    # Of seven purchases the first, the fifth and the sixth were not sent.
    assert counts == {OPEN: (0, 3), TOTAL: (0, 1), PRICE: (0, 0)}
    assert {rule.text for rule in scores.broken} == {OPEN, TOTAL}
    assert scores.held == scores.rules
    assert scores.left_out == ()


def test_the_original_keeps_its_rules_and_columns_that_know_nothing_break_them(
    same: BehaviourScores, shuffled: BehaviourScores
) -> None:
    assert {rule.text for rule in same.rules.held} == {OPEN, TOTAL, PRICE}
    assert {rule.text for rule in shuffled.rules.broken} == {OPEN, TOTAL, PRICE}
    assert same.rules.broken == ()
    assert min(rule.synthetic for rule in shuffled.rules.broken) >= 20


def test_a_rule_that_the_original_breaks_is_counted_and_no_fault(
    shop: DatabaseUrl, make: Callable[..., DatabaseUrl]
) -> None:
    broken = make(SHOP, "UPDATE purchase SET total = total + 1 WHERE id <= 3")
    with pair(broken, shop) as found:
        table = found.ground.plan.schema_map.tables["public.purchase"]
        rules = (*table.rules, ChildSum("total", "public.line", ("purchase_id",), "price", 2))
        tables = {**found.ground.plan.schema_map.tables, "public.purchase": replace(table, rules=rules)}
        plan = replace(found.ground.plan, schema_map=replace(found.ground.plan.schema_map, tables=tables))
        scores = score_rules(found.servers, plan)
    counted = next(rule for rule in scores.rules if rule.text == TOTAL)
    assert (counted.original, counted.synthetic) == (3, 0)
    assert counted not in scores.held


def test_a_rule_that_cannot_be_counted_is_named(shop: DatabaseUrl, altered: DatabaseUrl) -> None:
    with pair(shop, shop) as found, both_asked(shop, altered) as servers:
        scores = score_rules(servers, found.ground.plan)
    reason = "the replica refuses it: line 1: column … does not exist"
    assert scores.left_out == (f"public.purchase: {OPEN}: {reason}",)
    assert {rule.text for rule in scores.held} == {TOTAL, PRICE}


# Queries of the user's own


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "own.sql"
        path.write_text(text, encoding="utf8")
        return path

    return write


def test_statements_end_at_semicolons_that_are_neither_quoted_nor_remarks(file: Callable[[str], Path]) -> None:
    text = """
        -- The first; of four.
        SELECT 'a;b', "c;d", $$ e;f $$, E'it\\'s;' /* ; /* ; */ ; */ FROM t;;
        WITH x AS (SELECT 1) SELECT * FROM x; (SELECT 2);
        values (3) -- and last
    """
    own = read_queries(file(text))
    assert [statement.split()[0] for statement in own.statements] == ["SELECT", "WITH", "(SELECT", "values"]
    assert own.statements[0].endswith("FROM t")
    assert "a;b" not in repr(own)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1; DELETE FROM t WHERE name = 'Secret'", "query 2 is no SELECT: only what reads may be asked"),
        ("SELECT 1; SET x = 'Secret'", "query 2 is no SELECT"),
        ("\\timing\nSELECT 1", "query 1 is no SELECT"),
        ("SELECT 'Secret", "cannot be read as SQL: a quote or a comment is not closed"),
        ("-- nothing;\n", "holds no query: write SELECT statements with semicolons between them"),
    ],
)
def test_a_file_that_holds_something_else_is_refused(file: Callable[[str], Path], text: str, message: str) -> None:
    path = file(text)
    with pytest.raises(SettingsError) as error:
        read_queries(path)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)
    assert "Secret" not in str(error.value)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none.sql cannot be read: No such file"):
        read_queries(tmp_path / "none.sql")
    (tmp_path / "bytes.sql").write_bytes(b"SELECT '\xff'")
    with pytest.raises(SettingsError, match=r"bytes.sql cannot be read: it is not UTF-8"):
        read_queries(tmp_path / "bytes.sql")


def columns(**values: Sequence[float | str | None]) -> pa.Table:
    """An answer: a column with a text is of texts, any other of numbers."""
    kinds = {n: pa.string() if any(isinstance(v, str) for v in given) else pa.float64() for n, given in values.items()}
    return pa.table({name: pa.array(given, kinds[name]) for name, given in values.items()})


@pytest.mark.parametrize(
    ("original", "synthetic", "compared", "error"),
    [
        # One row: every number counts.
        (columns(n=[10.0], s=[100.0]), columns(n=[9.0], s=[150.0]), "numbers", 0.3),
        # Texts name rows, in any order; a row that one side lacks is wrong.
        (
            columns(k=["a", "b"], n=[10.0, 20.0]),
            columns(k=["c", "a"], n=[5.0, 10.0]),
            "numbers",
            2 / 3,
        ),
        # So do numbers from the left where nothing else tells rows apart.
        (columns(id=[1.0, 2.0], n=[10.0, 20.0]), columns(id=[2.0, 1.0], n=[20.0, 5.0]), "numbers", 0.25),
        (
            columns(k=["a", "a"], id=[1.0, 2.0], n=[10.0, 20.0]),
            columns(k=["a", "a"], id=[1.0, 2.0], n=[10.0, 10.0]),
            "numbers",
            0.25,
        ),
        # Near zero a tenth of the usual size counts: here of 10.1 / 2.
        (columns(k=["a", "b"], n=[10.0, 0.1]), columns(k=["a", "b"], n=[10.0, 0.2]), "numbers", 0.1 / 0.505 / 2),
        (columns(n=[None]), columns(n=[None]), "numbers", 0.0),
        (columns(n=[None]), columns(n=[1.0]), "numbers", 1.0),
        # Without numbers to compare there are only rows to count.
        (columns(k=["a", "b"]), columns(k=["c"]), "rows", 0.5),
        (columns(n=[1.0, 1.0]), columns(n=[1.0, 1.0]), "rows", 0.0),
        (columns(k=["a", "a"], n=[1.0, 1.0]), columns(k=["a"], n=[1.0]), "rows", 0.5),
    ],
)
def test_answers_are_compared_row_by_row(original: pa.Table, synthetic: pa.Table, compared: str, error: float) -> None:
    what, found = compare_answers(original, synthetic)
    assert what == compared
    assert found == pytest.approx(error)


def test_own_queries_are_asked_of_both(
    shop: DatabaseUrl, make: Callable[..., DatabaseUrl], file: Callable[[str], Path]
) -> None:
    own = read_queries(
        file(
            """
            SELECT city, count(*) FROM customer GROUP BY city;
            SELECT count(*) FROM purchase WHERE placed_on < '2021-03-01';
            SELECT p.id / 100, avg(total) FROM purchase p GROUP BY 1;
            SELECT pg_sleep(0), 1 / (n - 1) FROM generate_series(1, 2) n;
            SELECT id, a.id FROM purchase a, generate_series(1, 100);
            """
        )
    )
    change = "UPDATE customer SET city = 'Rome' WHERE city = 'Oslo'; DROP INDEX purchase_day; VACUUM ANALYZE"
    with pair(shop, make(SHOP, *change.split("; "))) as found:
        check_queries(found.servers, own)
        scores = score_own_queries(found.servers, own)
    assert [score.error for score in scores] == [pytest.approx((1 + 1 + 0) / 3), 0, 0, None, None]
    assert [score.compared for score in scores] == ["numbers", "numbers", "numbers", "", ""]
    assert [score.same_plan for score in scores] == [True, False, True, True, True]
    assert scores[3].left_out == "the original refuses it: division by zero"
    assert scores[4].left_out == "gives more than 100,000 rows: ask for sums or counts"


# The command line


def test_evaluate_shows_how_a_replica_behaves_and_no_constant(
    shop: DatabaseUrl, mixed: DatabaseUrl, file: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = file("SELECT count(*) FROM customer WHERE city = 'Zanzibar'; SELECT sum(price) FROM line")
    report = replica.evaluate(shop, mixed, settings=Settings(queries=path))
    assert any("'Zanzibar'" in sql for sql in report.behaviour.statements.values())
    assert "Zanzibar" not in repr(report)
    words = ["evaluate", shop.secret, mixed.secret, "--queries", str(path)]
    assert cli(words) == 0
    said = capsys.readouterr()
    for text in ("answers to 80 queries", "own query", "are planned alike", "broken rule: public.purchase: "):
        assert text in said.out
    assert cli([*words, "--json"]) == 0
    printed = capsys.readouterr()
    behaviour = json.loads(printed.out)["behaviour"]
    assert set(behaviour) == {"queries", "plans", "rules", "own"}
    assert behaviour["queries"]["agreement"]["ceiling"] > behaviour["queries"]["agreement"]["value"]
    assert [query["error"] for query in behaviour["own"]] == [query.error for query in report.behaviour.own]
    assert "Zanzibar" not in said.out + said.err + printed.out + printed.err


def test_a_query_that_a_server_refuses_stops_an_evaluation_with_one_line(
    shop: DatabaseUrl, file: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = file('SELECT 1;\nSELECT count(*)\nFROM customer WHERE city = "Secret"')
    assert cli(["evaluate", shop.secret, shop.secret, "--queries", str(path)]) == EvaluateError.exit_code
    said = capsys.readouterr()
    assert said.out == ""
    reason = "query 2: the original refuses it: line 2: column … does not exist"
    assert said.err.strip().splitlines()[-1] == f"error: {path}: {reason}"
    path.write_text("SELECT 1; DELETE FROM customer")
    assert cli(["evaluate", "postgresql://nowhere.invalid/x", "y", "--queries", str(path)]) == SettingsError.exit_code
