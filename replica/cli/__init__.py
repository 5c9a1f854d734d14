"""The command line: one subcommand per stage, and one place where errors become a line and an exit code.

Results go to standard output, everything else (progress, guesses, warnings, errors) to standard error.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, Protocol, runtime_checkable

import typer

from replica.cli.commands import app
from replica.errors import INTERRUPTED_EXIT_CODE, ReplicaError, SettingsError

UNEXPECTED_EXIT_CODE = 1
TERMINATED_EXIT_CODE = 143
"""After SIGTERM: 128 + 15, as shells do."""

DEBUG_VARIABLE = "REPLICA_DEBUG"


@runtime_checkable
class _UsageError(Protocol):
    """What typer raises when it cannot read the words of a command."""

    exit_code: int
    ctx: Any

    def format_message(self) -> str: ...


class _StoppedError(BaseException):
    """A signal came: unwind everything, so that what was begun is cleaned up.

    Not a KeyboardInterrupt, which Python and libraries treat in ways of their own.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def main() -> NoReturn:
    """Runs the command line and leaves with its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # A shell lets what runs in the background ignore Ctrl-C; that stays so.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command.

    Args:
        arguments: the words after the program's name.

    Returns:
        The exit code; see ``docs/cli.md``.
    """
    try:
        code = app(args=arguments or ["--help"], prog_name="replica", standalone_mode=False)
        if not arguments:
            return _fail("a command is missing", SettingsError.exit_code)
    except ReplicaError as error:
        return _fail(str(error), error.exit_code)
    except typer.Exit as done:
        code = done.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED_EXIT_CODE
    except _StoppedError as stopped:
        code = stopped.exit_code
    except BrokenPipeError:
        # Whoever read our output has gone, as in `replica plan ... | head`; nothing of it may be written any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        # Typer has no public name for the base of its usage errors; they are what can format its message.
        if isinstance(error, _UsageError):
            return _fail(_usage(error), error.exit_code)
        # The message of any other error may hold a value of the source.
        return _fail(_unexpected(error), UNEXPECTED_EXIT_CODE)
    if code in (INTERRUPTED_EXIT_CODE, TERMINATED_EXIT_CODE):
        how = "interrupted" if code == INTERRUPTED_EXIT_CODE else "terminated"
        return _fail(f"{how}: nothing half done is left behind", code)
    return int(code or 0)


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    raise _StoppedError(number)


def _fail(message: str, code: int) -> int:
    """Prints the one line that says what went wrong; it is the last."""
    print("error: " + " ".join(message.split()), file=sys.stderr)  # noqa: T201
    return code


def _usage(error: _UsageError) -> str:
    """Says what is wrong with the words of a command, or with the variable that stands in for one of them."""
    message = error.format_message()
    context, option = error.ctx, getattr(error, "param", None)
    source = context.get_parameter_source(option.name) if context and option else None
    if option is not None and source is not None and source.name == "ENVIRONMENT":
        message = message.replace(f"'--{option.name.replace('_', '-')}'", f"environment variable {option.envvar}")
    return f"{message} (`{context.command_path if context else 'replica'} --help` says more)"


def _unexpected(error: Exception) -> str:
    """Says where an error that nobody expected came up, without its message, which may hold values."""
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(error)
    if isinstance(error, MemoryError):
        return "out of memory: run with fewer --workers or a lower --fit-rows"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "replica" in Path(frame.filename).parts]
    place = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "an unknown place"
    return (
        f"unexpected {type(error).__name__} at {place}: this is a defect of replica, please report it"
        f" ({DEBUG_VARIABLE}=1 shows more, and may show values of the source)"
    )
