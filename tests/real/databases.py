"""The real databases that lie beside the checkout, and the servers they are tried on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from replica.databases.embedded import tools_folders
from replica.databases.url import DatabaseUrl

DATA = Path(os.environ.get("REPLICA_REAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))

_CSV = ("schema.sql", "load.sql")
SCRIPTS: Final[Mapping[str, tuple[str, ...]]] = {
    "adult": _CSV,
    "berka_no_trans": _CSV,
    "cdnow": _CSV,
    "chinook": ("chinook.sql",),
    "f1": _CSV,
    "grocery_orders": _CSV,
    "mondial": ("mondial-schema.psql", "mondial-inputs.psql", "mondial-fk.psql"),
    "northwind": ("northwind.sql",),
    "oracle_hr": ("oracle_hr.sql",),
    "sakila": ("1_schema.sql", "2_data_copy.sql"),
}
"""The scripts that build each database, in their order."""

# A script that makes its own database is told to use ours instead.
_OWN_DATABASE = re.compile(r"^(DROP DATABASE|CREATE DATABASE|\\c )[^\n]*$", re.MULTILINE)
# What pg_dump prints that says nothing about the schema.
_NOISE = ("--", "SET ", "SELECT pg_catalog.set_config", "\\restrict", "\\unrestrict")
# What some minor releases note for themselves in a column's options.
_FOREIGN_OPTION = re.compile(r" ALTER COLUMN .* SET \(pg_\w+=\d+\);$")


def tool(name: str) -> str:
    """Returns a client program, the bundled one first: it is the newest."""
    bundled = tools_folders()[-1] / name
    return str(bundled) if bundled.exists() else str(shutil.which(name))


def load(name: str, url: DatabaseUrl) -> None:
    """Builds a real database in an empty one."""
    folder = DATA / name
    for script in SCRIPTS[name]:
        text = (folder / script).read_text(encoding="utf8")
        subprocess.run(
            [tool("psql"), "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--dbname", url.secret],
            input=_OWN_DATABASE.sub("", text),
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )


def schema_lines(url: DatabaseUrl) -> list[str]:
    """Returns the schema of a database as pg_dump prints it, without comments and settings."""
    dumped = subprocess.run(
        [tool("pg_dump"), "--schema-only", "--no-owner", "--no-acl", "--dbname", url.secret],
        check=True,
        capture_output=True,
        text=True,
    )
    lines = (line for line in dumped.stdout.splitlines() if line.strip() and not line.startswith(_NOISE))
    return [line for line in lines if not _FOREIGN_OPTION.search(line)]
