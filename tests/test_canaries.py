"""Canaries: words that one person alone has are planted everywhere, and nothing that leaves the source may hold one."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psycopg
import pytest

import replica
from replica.databases.url import DatabaseUrl
from replica.errors import GateError

MEMBERS, OFTEN = 300, 50
SCHEMA = """
CREATE TABLE member (
  id int PRIMARY KEY, member_no text NOT NULL UNIQUE, full_name text NOT NULL, email text NOT NULL,
  handle text NOT NULL, city text NOT NULL, plan text NOT NULL, bio text, extra jsonb NOT NULL, tags text[] NOT NULL,
  secret_token text, income numeric(12,2) NOT NULL);
CREATE TABLE visit (
  id int PRIMARY KEY, member_id int NOT NULL REFERENCES member, at date NOT NULL, place text NOT NULL, remark text,
  amount numeric(8,2) NOT NULL);
"""
INCOMES = {7: 98_765_432.11, 120: 87_654_321.09}
"""What two members have, far beyond all others."""


@dataclass
class Words:
    """Words that stand in the source once, or as often as one member repeats them."""

    rng: np.random.Generator
    made: list[str] = field(default_factory=list)

    def new(self) -> str:
        """A word that nothing makes up by chance."""
        self.made.append("".join(self.rng.choice(list("bcdfghjkqvwxz"), 12)))
        return self.made[-1]


@dataclass(frozen=True)
class Planted:
    """A source, and what must be found nowhere else: bytes by what they are."""

    url: DatabaseUrl
    canaries: dict[bytes, str]


def planted(new_database: Callable[..., DatabaseUrl]) -> Planted:
    """A source in which every tenth member has a word of their own in each column, and three repeat one in visits."""
    rng = np.random.default_rng(20)
    words = Words(rng)
    url = new_database(SCHEMA)
    with psycopg.connect(url.secret) as connection, connection.cursor() as cursor:
        with cursor.copy("COPY member FROM STDIN") as copy:
            for number in range(MEMBERS):
                copy.write_row(_member(number, words, rng))
        with cursor.copy("COPY visit FROM STDIN") as copy:
            for visit in _visits(words, rng):
                copy.write_row(visit)
    return Planted(url, dict(_forms(words.made)))


def _member(number: int, words: Words, rng: np.random.Generator) -> Sequence[object]:
    odd = number % 10 == 3
    name = words.new() if odd else str(rng.choice(["Anna", "Bert", "Carl", "Dora"]))
    city = words.new() if odd else str(rng.choice(["Oslo", "Bergen", "Hamar"]))
    plan = words.new() if odd else str(rng.choice(["free", "paid"]))
    nick = words.new() if odd else str(rng.choice(["ann", "bob"]))
    tag = words.new() if odd else "blue"
    key = words.new() if odd else "theme"
    bio = f"likes {words.new()} and works as a {words.new()}" if odd else "likes reading and works in an office"
    return (
        number,
        f"{words.new().upper()}-{number:04}" if odd else f"{''.join(rng.choice(list('ABCDEF'), 12))}-{number:04}",
        f"{name} {words.new() if odd else 'Berg'}",
        f"{words.new() if odd else f'm{number}'}@example.org",
        words.new() if odd else f"user{number}",
        city,
        plan,
        bio,
        f'{{"nick": "{nick}", "{key}": "dark"}}',
        ["red", tag],
        words.new(),
        INCOMES.get(number, round(float(rng.lognormal(10, 0.4)), 2)),
    )


def _visits(words: Words, rng: np.random.Generator) -> Iterator[Sequence[object]]:
    repeated = {member: (words.new(), words.new()) for member in (11, 112, 213)}
    members = [*np.repeat(list(repeated), OFTEN), *rng.integers(0, MEMBERS, 1500)]
    for number, member in enumerate(members):
        place, remark = str(rng.choice(["shop", "market", "kiosk"])), "came back with the usual things"
        if number < OFTEN * len(repeated):
            place, remark = repeated[int(member)][0], f"asked for {repeated[int(member)][1]} again"
        elif number % 100 == 0:
            remark = f"forgot a {words.new()} here"
        day = f"2024-{1 + number % 12:02}-{1 + number % 28:02}"
        yield number, int(member), day, place, remark, round(float(rng.gamma(2, 20)), 2)


def _forms(words: Sequence[str]) -> Iterator[tuple[bytes, str]]:
    """Canaries as texts, as a library may hold them in memory, and as numbers."""
    for word in words:
        for coding in ("utf-8", "utf-16-le", "utf-32-le"):
            yield word.encode(coding), word
            yield word.upper().encode(coding), word
    for income in INCOMES.values():
        yield f"{income:.2f}".encode(), str(income)
        yield struct.pack("<d", income), str(income)


@dataclass
class Seen:
    """What was written while commands ran: by name, the canaries in it."""

    canaries: dict[bytes, str]
    found: dict[str, set[str]] = field(default_factory=dict)

    def look(self, name: str, content: bytes) -> None:
        """Searches some bytes."""
        hits = {word for form, word in self.canaries.items() if form in content}
        if hits:
            self.found.setdefault(name, set()).update(hits)

    @contextmanager
    def watching(self, folder: Path) -> Iterator[None]:
        """Searches files that come and go in a folder as long as the block lasts."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(0.05):
                self.look_below(folder)

        thread = threading.Thread(target=watch)
        thread.start()
        yield
        done.set()
        thread.join()

    def look_below(self, folder: Path) -> None:
        """Searches all files below a folder; one that goes meanwhile is nothing to be found any more."""
        for file in folder.rglob("*"):
            try:
                self.look(str(file.relative_to(folder)), file.read_bytes())
            except OSError:
                continue


def replica_says(seen: Seen, folder: Path, *words: str, or_code: int = 0) -> None:
    """Runs a command with its temporary files in a folder, and searches what it prints and leaves there."""
    environment = os.environ | {"TMPDIR": str(folder / "temp"), "XDG_STATE_HOME": str(folder / "state")}
    environment["PYTHONPATH"] = str(Path(replica.__file__).parents[1])
    with seen.watching(folder / "temp"):
        done = subprocess.run(
            [sys.executable, "-m", "replica", *words], env=environment, cwd=folder, capture_output=True, check=False
        )
    assert done.returncode in (0, or_code), done.stderr.decode()
    seen.look(f"output of {words[0]}", done.stdout + done.stderr)


def rows_of(url: DatabaseUrl) -> bytes:
    """All rows of a database and what its catalog says of them, as text."""
    with psycopg.connect(url.secret) as connection:
        tables = [name for (name,) in connection.execute("SELECT relname FROM pg_class WHERE relkind = 'r'")]
        queries = [f'SELECT t::text FROM "{name}" AS t' for name in tables if not name.startswith(("pg_", "sql_"))]
        queries.append("SELECT t::text FROM pg_stats AS t WHERE schemaname = 'public'")
        return "\n".join(row for query in queries for (row,) in connection.execute(query.encode())).encode()


@pytest.mark.parametrize("generator", ["autoregressive", "marginal"])
def test_no_canary_leaves_the_source(
    generator: str, new_database: Callable[..., DatabaseUrl], target: DatabaseUrl, tmp_path: Path
) -> None:
    source = planted(new_database)
    (tmp_path / "temp").mkdir()
    seen, urls = Seen(source.canaries), (source.url.secret, target.secret)
    seen.look("source", rows_of(source.url))
    assert seen.found.pop("source") == set(source.canaries.values())

    learning = ("--generator", generator, "--effort", "0.3", "--workers", "2", "--control", "0.1")
    replica_says(seen, tmp_path, "map", urls[0], "-o", "map.yaml")
    replica_says(seen, tmp_path, "plan", urls[0])
    replica_says(seen, tmp_path, "fit", urls[0], "-o", "x.replica", *learning)
    replica_says(seen, tmp_path, "sample", "x.replica", urls[1])
    gate = ("--gate", "default", "--junit", "confidential/gate.xml")
    # So little was learned that limits may be crossed, which is then told.
    replica_says(seen, tmp_path, "evaluate", *urls, "-o", "confidential", *gate, or_code=GateError.exit_code)
    replica_says(seen, tmp_path, "evaluate", *urls, "-o", "publishable", "--publishable")
    seen.look("replica", rows_of(target))
    with zipfile.ZipFile(tmp_path / "x.replica") as artifact:
        for name in artifact.namelist():
            seen.look(f"x.replica/{name}", artifact.read(name))

    # The page that is for confidential eyes shows some rows of the original, and says so; its figures do not.
    assert (tmp_path / "confidential" / "report.json").stat().st_size > 1000
    seen.look_below(tmp_path)
    seen.found.pop("confidential/report.html", None)
    assert seen.found == {}
