"""The private record of a control: the key that tells who was kept out of learning, and for which databases it does.

A record is JSON that nobody but its owner may read. It knows its databases again by sketches of the table of persons:
hashes of some of its rows, which stay the same when a database is dumped and restored, moved or renamed, and of which
most stay when some rows change.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from replica.control.split import Split
from replica.databases.base import Database, Snapshot
from replica.errors import RecordError
from replica.inference.personal import is_credential
from replica.schema.model import Schema, Table

FORMAT, FORMAT_VERSION = "replica-control", 1
_LIKENESS = 0.25
"""Two sketches that share at least so much are of one table, at two times; those of different people share nothing."""

NO_RECORD = (
    "the record of who was kept out of learning is not here, so that evaluate will not find it by itself: name it there"
    " with --record"
)
"""What is said where a replica is written of which the record does not know."""

Sketch = tuple[str, ...]


@dataclass(frozen=True)
class Record:
    """What is to be known of a control later.

    Attributes:
        id: a random name, which the artifact knows too; it tells nothing.
        split: who was kept out.
        source: sketch of the source's persons.
        targets: sketches of the persons of every replica that was written.
    """

    id: str
    split: Split
    source: Sketch
    targets: tuple[Sketch, ...] = ()

    def with_target(self, sketch: Sketch) -> Record:
        """Returns the record with one more replica."""
        return replace(self, targets=(*(found for found in self.targets if found != sketch), sketch))


def sketch_persons(snapshot: Snapshot, table: Table) -> Sketch:
    """Returns a sketch of a table; credentials and bytes do not count."""
    columns = [c.name for c in table.columns if c.type.family != "bytes" and not is_credential(c)]
    return snapshot.sketch(table, columns)


def state_folder() -> Path:
    """Returns where records lie by default: in the folder for state that the user's desktop names, or the usual one."""
    named = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (named if named.is_absolute() else Path.home() / ".local" / "state") / "replica" / "controls"


def path_of(name: str, chosen: Path | None) -> Path:
    """Returns where the record of a name lies: the file that the user chose, or one in the folder for state."""
    return chosen or state_folder() / f"{name}.json"


def save_record(record: Record, path: Path) -> None:
    """Writes a record, whole or not at all, for its owner's eyes only (mode 600).

    Raises:
        RecordError: it cannot be written.
    """
    text = json.dumps(
        {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "id": record.id,
            "subject": record.split.subject,
            "key": record.split.key.hex(),
            "share": record.split.share,
            "source": record.source,
            "targets": record.targets,
        },
        indent=1,
    )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Such files are born with mode 600.
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, suffix=".part", delete=False) as out:
            try:
                out.write(text)
                out.flush()
                Path(out.name).replace(path)
            finally:
                Path(out.name).unlink(missing_ok=True)
    except OSError as error:
        raise RecordError(f"the control's record {path} cannot be written: {error.strerror}") from None


def read_record(path: Path) -> Record:
    """Reads a record.

    Raises:
        RecordError: the file is missing, or is no record.
    """
    try:
        found = json.loads(path.read_text(encoding="utf8"))
    except OSError as error:
        raise RecordError(f"the control's record {path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise _no_record(path) from None
    try:
        if (found["format"], found["format_version"]) != (FORMAT, FORMAT_VERSION):
            raise _no_record(path)
        split = Split(str(found["subject"]), bytes.fromhex(found["key"]), float(found["share"]))
        targets = tuple(tuple(map(str, sketch)) for sketch in found["targets"])
        return Record(str(found["id"]), split, tuple(map(str, found["source"])), targets)
    except (KeyError, TypeError, ValueError):
        raise _no_record(path) from None


def _no_record(path: Path) -> RecordError:
    return RecordError(f"{path} is no record of a control: `replica fit --control` and `run --control` write them")


def record_named(name: str, chosen: Path | None) -> Record | None:
    """Returns the record that an artifact names; None where it does not lie in the folder for state.

    Raises:
        RecordError: the file that the user chose is missing, or is of another artifact.
    """
    path = path_of(name, chosen)
    if chosen is None and not path.exists():
        return None
    record = read_record(path)
    if record.id != name:
        raise RecordError(f"{path} is the record of another fit: name the one that `replica fit --control` wrote")
    return record


def remember(record: Record, target: Database, schema: Schema, chosen: Path | None) -> None:
    """Adds a replica that was written to its record.

    Raises:
        RecordError: the record cannot be written.
    """
    with target.snapshot() as written:
        persons = sketch_persons(written, schema.by_id[record.split.subject])
    save_record(record.with_target(persons), path_of(record.id, chosen))


def record_of(original: Snapshot, synthetic: Snapshot, schema: Schema, chosen: Path | None) -> Record | None:
    """Returns the record of a source and its replica, the latest if there are several; None where there is none.

    Args:
        original: a view of the source.
        synthetic: a view of the replica.
        schema: what both declare.
        chosen: the file that the user chose; None to look through the folder for state.

    Raises:
        RecordError: the file that the user chose is missing, or is of other databases.
    """
    pair = _Pair(original, synthetic, schema, {})
    if chosen is None:
        return next((record for record in _records() if record.targets and pair.is_of(record)), None)
    record = read_record(chosen)
    if not pair.is_of(record):
        raise RecordError(
            f"{chosen} is the record of another source or another replica: name the right one, or leave --record out"
        )
    return record


def _records() -> Iterator[Record]:
    """The records in the folder for state, the latest first; what is none is left alone."""
    paths = [path for path in state_folder().glob("*.json") if path.is_file()]
    for path in sorted(paths, key=lambda path: -path.stat().st_mtime_ns):
        try:
            yield read_record(path)
        except RecordError:
            continue


@dataclass(frozen=True)
class _Pair:
    """A source and a replica, of which every table is sketched once."""

    original: Snapshot
    synthetic: Snapshot
    schema: Schema
    known: dict[str, tuple[Sketch, Sketch]]

    def is_of(self, record: Record) -> bool:
        """A record that knows no replica yet is taken at the user's word."""
        table = self.schema.by_id.get(record.split.subject)
        if table is None:
            return False
        if table.id not in self.known:
            self.known[table.id] = sketch_persons(self.original, table), sketch_persons(self.synthetic, table)
        source, target = self.known[table.id]
        return _are_alike(record.source, source) and (
            not record.targets or any(_are_alike(found, target) for found in record.targets)
        )


def _are_alike(one: Sketch, other: Sketch) -> bool:
    least = min(len(one), len(other))
    return one == other if not least else len(set(one) & set(other)) >= _LIKENESS * least
