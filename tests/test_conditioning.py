"""Rows as a user wishes them: shares of values, conditions, and all that goes with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import Server
from postgres_tools import rows, run, value
from typer.testing import CliRunner

import replica
from replica import FittedReplica, Settings
from replica.cli.commands import app
from replica.databases.url import DatabaseUrl
from replica.errors import PlanError, SettingsError, UnsatisfiableError
from replica.making.choosing import change_over
from replica.making.redrawing import draw_until

NewDatabase = Callable[..., DatabaseUrl]

# Rich people live in Oslo and order dear things; every tenth loan goes wrong, those of the poor far more often.
BANK = """
    CREATE TABLE customer (
        id int PRIMARY KEY, city text NOT NULL, country text NOT NULL, income int NOT NULL, vip boolean
    );
    CREATE TABLE loan (
        id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customer,
        status text NOT NULL, amount int NOT NULL, CHECK (amount > 0)
    );
    SELECT setseed(0.3);
    INSERT INTO customer
        SELECT n, c.city, c.country, c.base + (random() * 1000)::int, CASE WHEN random() < 0.7 THEN random() < 0.2 END
          FROM generate_series(1, 1500) n
          JOIN (VALUES (0, 'Oslo', 'NO', 8000), (1, 'Bergen', 'NO', 6000), (2, 'Graz', 'AT', 2000),
                       (3, 'Wien', 'AT', 3000), (4, 'Lyon', 'FR', 2500), (5, 'Nice', 'FR', 1000))
               c (k, city, country, base) ON c.k = n % 6;
    INSERT INTO loan
        SELECT row_number() OVER (), s.id, s.status,
               CASE s.status WHEN 'B' THEN 900 ELSE 200 END + (random() * 100)::int
          FROM (SELECT c.id, CASE WHEN random() < CASE WHEN income < 2500 THEN 0.12 ELSE 0.02 END THEN 'B'
                                  WHEN random() < 0.75 THEN 'A' ELSE 'C' END AS status
                  FROM customer c, generate_series(1, 2)) s;
"""


@pytest.fixture(scope="module")
def bank(server: Server) -> Iterator[FittedReplica]:
    url = server.create()
    run(url, BANK)
    yield replica.learn(url, Settings(generator="marginal", workers=1))
    server.drop(url)


def written(bank: FittedReplica, target: DatabaseUrl, **wishes: object) -> DatabaseUrl:
    replica.write(bank, target, Settings(workers=1, **wishes))  # type: ignore[arg-type]
    return target


def shares(url: DatabaseUrl, query: str) -> dict[str, float]:
    found = rows(url, query)
    total = sum(count for _, count in found)
    return {name: count / total for name, count in found}


STATUS = "SELECT status, count(*) FROM loan GROUP BY status"


def test_a_share_is_what_was_asked_for_and_the_rest_keeps_its_proportions(
    bank: FittedReplica, target: DatabaseUrl
) -> None:
    written(bank, target, rebalance={"loan.status:B": 0.3})
    found = shares(target, STATUS)
    assert found["B"] == pytest.approx(0.3, abs=1e-3)
    assert found["A"] / found["C"] == pytest.approx(3, rel=0.25)


def test_shares_of_an_odd_number_of_rows_add_up(bank: FittedReplica, target: DatabaseUrl) -> None:
    replica.write(
        bank,
        target,
        Settings(workers=1, rows={"customer": 31, "loan": 33}, rebalance={"loan.status:A": 0.5, "loan.status:B": 0.5}),
    )
    assert dict(rows(target, STATUS)) in ({"A": 16, "B": 17}, {"A": 17, "B": 16})


def test_the_command_line_takes_wishes(bank: FittedReplica, target: DatabaseUrl, tmp_path: Path) -> None:
    replica.save(bank, tmp_path / "bank.replica")
    command = ["sample", str(tmp_path / "bank.replica"), target.secret, "--workers", "1"]
    wishes = ["--rebalance", "loan.status:B=0.2", "--where", "customer: country <> 'FR'"]
    assert CliRunner().invoke(app, [*command, *wishes]).exit_code == 0
    assert shares(target, STATUS)["B"] == pytest.approx(0.2, abs=1e-3)
    assert value(target, "SELECT count(*) FROM customer WHERE country = 'FR'") == 0


def test_what_goes_with_a_value_goes_with_it_when_it_is_made_more_common(
    bank: FittedReplica, target: DatabaseUrl
) -> None:
    written(bank, target, rebalance={"loan.status:B": 0.3})
    means = dict(rows(target, "SELECT status = 'B', avg(amount)::float FROM loan GROUP BY 1"))
    assert means[True] > 1.4 * means[False]
    poor = dict(
        rows(
            target,
            "SELECT status = 'B', avg((income < 2500)::int)::float FROM loan JOIN customer c ON c.id = customer_id"
            " GROUP BY 1",
        )
    )
    assert poor[True] > 1.2 * poor[False]


def test_shares_of_several_values_and_columns_hold_together(bank: FittedReplica, target: DatabaseUrl) -> None:
    wishes = {"loan.status:B": 0.5, "public.loan.status:C": 0.0, "customer.vip:true": 0.4}
    written(bank, target, rebalance=wishes)
    assert shares(target, STATUS) == pytest.approx({"A": 0.5, "B": 0.5}, abs=1e-3)
    assert value(target, "SELECT avg((vip IS TRUE)::int)::float FROM customer") == pytest.approx(0.4, abs=1e-3)
    assert value(target, "SELECT count(*) FROM customer") == 1500


def test_a_condition_holds_for_all_rows_and_what_goes_with_it_follows(bank: FittedReplica, target: DatabaseUrl) -> None:
    written(bank, target, where=("customer: country = 'NO'",))
    assert shares(target, "SELECT country, count(*) FROM customer GROUP BY 1") == {"NO": 1.0}
    cities = shares(target, "SELECT city, count(*) FROM customer GROUP BY 1")
    assert set(cities) == {"Oslo", "Bergen"}
    assert cities["Oslo"] == pytest.approx(0.5, abs=0.08)
    assert value(target, "SELECT avg(income)::float FROM customer") == pytest.approx(7500, abs=300)
    # Those who are not poor repay.
    assert shares(target, STATUS).get("B", 0.0) < 0.045


def test_conditions_on_numbers_and_null_hold_exactly(bank: FittedReplica, target: DatabaseUrl) -> None:
    written(bank, target, where=("income BETWEEN 2100 AND 2817 AND vip",))
    assert rows(
        target, "SELECT min(income) >= 2100, max(income) <= 2817, bool_and(coalesce(vip, false)) FROM customer"
    ) == [(True, True, True)]


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"rebalance": {"loans.status:B": 0.3}}, "there is no such table.*did you mean loan?"),
        ({"rebalance": {"loan.state:B": 0.3}}, "has no column state"),
        ({"rebalance": {"loan.status:A": 0.8, "loan.status:B": 0.3}}, "add up to 1.1"),
        ({"where": ("country = ",)}, "no SQL condition"),
        ({"where": ("1 = 1",)}, "names no column"),
        ({"where": ("id > 5",)}, "these tables have: public.customer, public.loan"),
        ({"where": ("colour = 'red'",)}, "no table has"),
        ({"where": ("loan: country = 'NO'",)}, "has no column country"),
        ({"where": ("loan: customer_id > 5",)}, "by customer_id, since it follows from other rows or columns"),
    ],
)
def test_what_cannot_be_wished_is_refused_in_one_line(
    bank: FittedReplica, target: DatabaseUrl, wishes: dict[str, object], message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        written(bank, target, **wishes)


@pytest.mark.parametrize("wishes", [{"rebalance": {"loan.status:Z": 0.3}}, {"where": ("country = 'XX'",)}])
def test_what_never_occurs_is_refused(bank: FittedReplica, target: DatabaseUrl, wishes: dict[str, object]) -> None:
    with pytest.raises(UnsatisfiableError, match="is ever drawn"):
        written(bank, target, **wishes)


@pytest.mark.parametrize(
    ("rebalance", "message"),
    [({"loan.status:B": 1.5}, "between 0 and 1"), ({"loan:B": 0.3}, "write TABLE.COLUMN:VALUE=SHARE")],
)
def test_settings_refuse_shares_that_are_none(rebalance: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings(rebalance=rebalance)


def test_rows_change_over_until_each_label_has_what_it_is_to_have() -> None:
    rng = np.random.default_rng(1)
    wanted = np.array([300, 0, 700])
    likely = np.arange(1000) < 500
    labels = np.where(rng.random(1000) < np.where(likely, 0.2, 0.02), 0, 2)
    labels[:50] = labels[-50:] = 1
    for _ in range(600):
        others = np.where(rng.random(1000) < np.where(likely, 0.2, 0.02), 0, 2)
        change_over(labels, others, wanted, rng)
    assert np.bincount(labels, minlength=3).tolist() == [300, 0, 700]
    # Rows that are likely to have the value are the first to get it.
    assert (labels[likely] == 0).sum() > 2 * (labels[~likely] == 0).sum()


def test_rows_are_drawn_until_they_are_accepted_and_left_where_none_ever_is() -> None:
    rng = np.random.default_rng(2)
    wanted = np.r_[np.full(50, 7), np.full(50, 3), 99]
    found = draw_until(
        lambda at: rng.integers(0, 20, (len(at), 1)).astype(np.int32), lambda codes, at: codes[:, 0] == wanted[at], 101
    )
    assert (found[:100, 0] == wanted[:100]).all()
    assert 0 <= found[100, 0] < 20
