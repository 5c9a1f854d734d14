"""Every error Replica raises on purpose, in one tree.

    ReplicaError
    ├── SettingsError            a setting or a command-line value is not usable
    │   └── UnknownNameError     a name that is not in a registry; lists the known ones
    ├── DatabaseError            a server answered, or did not
    │   ├── UnreachableError     no server at that address
    │   ├── AuthenticationError  the server refused the user or the password
    │   ├── PrivilegeError       the user may not read or write something that is needed
    │   ├── QueryError           the server refused a query
    │   ├── ConnectionLostError  the connection broke in the middle of a step
    │   └── DiskFullError        the server has no room left
    ├── SchemaError              the source's schema cannot be used
    │   └── EmptySchemaError     it has no tables
    ├── SchemaMapError           the schema map is not valid
    │   └── DriftError           the source has changed since the map was written
    ├── PlanError                what was asked for does not fit the schema
    │   ├── UnprotectedError     under differential privacy, whose rows are whose is not plain
    │   └── BudgetError          epsilon or delta leave nothing to be learned
    ├── FitError                 a table could not be learned
    ├── ArtifactError            the file is damaged, foreign or of another version
    │   └── LeakError            the file holds what it must not hold of the source
    ├── SampleError              rows could not be made
    │   └── UnsatisfiableError   no rows can satisfy a constraint
    ├── LoadError                the target refused something
    │   ├── SameDatabaseError    target and source are one database
    │   ├── TargetNotEmptyError  the target holds tables and --replace was not given
    │   ├── TargetBusyError      another run is writing this target
    │   └── IntegrityError       the server found a broken constraint
    ├── EvaluateError            two databases cannot be compared
    │   └── GateError            a figure crosses a limit of the gate
    ├── ReportError              a report cannot be written
    └── RecordError              the private record of a control is missing, or is of something else

A message is one line: what is wrong, where, what to do. It never holds a value of the source or a
password. ``exit_code`` is what the command line returns; the codes are listed in ``docs/cli.md``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name that one was most likely meant to be; None where none is near."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)
    return found[0] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns the end of a message about an unknown name: a question, or nothing."""
    meant = nearest(name, known)
    return f"; did you mean {meant}?" if meant else ""


class ReplicaError(Exception):
    """Base of all errors raised on purpose; ``str(error)`` is one line fit for a terminal."""

    exit_code: ClassVar[int] = 1


class SettingsError(ReplicaError):
    """A setting or a command-line value is not usable."""

    exit_code = 2


class UnknownNameError(SettingsError):
    """A name is not in a registry.

    Args:
        what: what kind of name, as in ``"generator"``.
        name: the name that was given.
        known: the names that exist.
    """

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(f"unknown {what} {name!r}: known are {', '.join(names)}{did_you_mean(name, names)}")


class DatabaseError(ReplicaError):
    """A database server refused a step, for a reason that has no class of its own."""

    exit_code = 10


class QueryError(DatabaseError):
    """A database server refused a query; the message holds nothing that the server quotes."""


class UnreachableError(DatabaseError):
    """No server answers at the address."""

    exit_code = 11


class AuthenticationError(DatabaseError):
    """The server refused the user, the password or the database name."""

    exit_code = 12


class PrivilegeError(DatabaseError):
    """The user lacks a privilege that the step needs."""

    exit_code = 13


class ConnectionLostError(DatabaseError):
    """The connection broke while a step was running."""

    exit_code = 14


class DiskFullError(DatabaseError):
    """The server has no room left on its disk."""

    exit_code = 15


class SchemaError(ReplicaError):
    """The schema of the source cannot be used."""

    exit_code = 20


class EmptySchemaError(SchemaError):
    """The source has no tables."""

    exit_code = 21


class SchemaMapError(ReplicaError):
    """The schema map is not valid."""

    exit_code = 22


class DriftError(SchemaMapError):
    """The source has tables or columns that the schema map does not know, or the reverse."""

    exit_code = 23


class PlanError(ReplicaError):
    """What was asked for does not fit the schema."""

    exit_code = 24


class UnprotectedError(PlanError):
    """Under differential privacy, a table neither belongs to a subject nor is public."""

    exit_code = 25


class BudgetError(PlanError):
    """The privacy budget does not fit what is to be learned."""

    exit_code = 26


class FitError(ReplicaError):
    """A table could not be learned."""

    exit_code = 30


class ArtifactError(ReplicaError):
    """An artifact is damaged, is of another version, or is not one."""

    exit_code = 31


class LeakError(ArtifactError):
    """An artifact holds what it must not hold of the source."""

    exit_code = 27


class SampleError(ReplicaError):
    """Rows could not be made."""

    exit_code = 32


class UnsatisfiableError(SampleError):
    """No rows can be made that satisfy a constraint."""

    exit_code = 33


class LoadError(ReplicaError):
    """The target refused a step."""

    exit_code = 40


class SameDatabaseError(LoadError):
    """Target and source are the same database."""

    exit_code = 41


class TargetNotEmptyError(LoadError):
    """The target holds tables and may not be replaced."""

    exit_code = 42


class TargetBusyError(LoadError):
    """Another run is writing the same target."""

    exit_code = 43


class IntegrityError(LoadError):
    """The server found rows that break a constraint.

    Attributes:
        constraint: its name; None where the server did not say.
    """

    exit_code = 44

    def __init__(self, message: str, *, constraint: str | None = None) -> None:
        super().__init__(message)
        self.constraint = constraint


class EvaluateError(ReplicaError):
    """Two databases cannot be compared."""

    exit_code = 50


class GateError(EvaluateError):
    """A figure crosses a limit of the gate, or what it asks for was not run."""

    exit_code = 51


class ReportError(ReplicaError):
    """A report cannot be written."""

    exit_code = 52


class RecordError(ReplicaError):
    """The private record of a control is missing, cannot be written, or belongs to something else."""

    exit_code = 53


INTERRUPTED_EXIT_CODE = 130
"""What the command line returns after Ctrl-C: 128 + SIGINT, as shells do."""
