"""Writing a report into a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from replica.errors import ReportError


def require_folder(folder: Path) -> None:
    """Makes a folder that files can be written into.

    Raises:
        ReportError: there is no folder above it, something else stands in its place, or it may not be written.
    """
    try:
        folder.mkdir(exist_ok=True)
        probe = folder / f".replica-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except FileNotFoundError:
        raise ReportError(
            f"{folder} cannot be made: there is no folder {folder.parent}: create it, or correct the path"
        ) from None
    except OSError as error:
        raise ReportError(f"no report can be written to {folder}: {error.strerror}: name another folder") from None


def write_files(folder: Path, files: Mapping[str, bytes], *, private: bool) -> None:
    """Writes files, each whole or not at all.

    Args:
        folder: where to.
        files: their contents, by name.
        private: only the user may read them.

    Raises:
        ReportError: they cannot be written.
    """
    for name, content in files.items():
        unfinished = folder / f".{name}.unfinished"
        try:
            unfinished.touch(0o600)
            unfinished.write_bytes(content)
            unfinished.chmod(0o600 if private else 0o644)
            unfinished.replace(folder / name)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise ReportError(f"{folder / name} cannot be written: {error.strerror}") from None
