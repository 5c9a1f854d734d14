"""The tools that are compared, and the environment of its own that each rival gets."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ENVIRONMENTS = Path(__file__).parents[2] / ".rivals"
RIVALS = Path(__file__).parent / "rivals"

# The CPU build, before anything else can ask for another one.
_TORCH = "torch==2.13.0"


@dataclass(frozen=True)
class Environment:
    """A virtual environment of a rival.

    Attributes:
        packages: what is installed, in this order, a step each.
        removed: what is taken out again: CUDA builds that break a CPU torch.
    """

    packages: tuple[tuple[str, ...], ...]
    removed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tool:
    """A tool that is compared.

    Attributes:
        environment: the environment that it runs in; empty for Replica's own.
        script: its file in ``rivals/``; empty for Replica itself.
        options: further arguments of the script.
    """

    environment: str = ""
    script: str = ""
    options: tuple[str, ...] = ()

    @property
    def python(self) -> Path:
        """The interpreter that runs it."""
        return ENVIRONMENTS / self.environment / "bin" / "python" if self.environment else Path(sys.executable)

    def command(self, folder: Path, seed: int) -> list[str]:
        """Returns the command line of a rival that reads a folder with tables and writes others into it."""
        return [str(self.python), str(RIVALS / self.script), str(folder), str(seed), *self.options]


TABLES: Final = ("pandas", "pyarrow")

BUILDS: Final[Mapping[str, Environment]] = {
    "mostlyai": Environment(((_TORCH,), ("mostlyai[local]",)), removed=("torchvision", "torchaudio")),
    "sdv": Environment(((_TORCH,), ("sdv",))),
    "ctgan": Environment(((_TORCH,), ("ctgan",))),
    "copula": Environment((("copulas", *TABLES),)),
    "cart": Environment((("scikit-learn", *TABLES),)),
}
"""Environments by name."""

TOOLS: Final[Mapping[str, Tool]] = {
    "replica": Tool(),
    "mostlyai": Tool("mostlyai", "mostly.py"),
    "sdv": Tool("sdv", "hma.py"),
    "ctgan": Tool("ctgan", "gan.py"),
    "tvae": Tool("ctgan", "gan.py", ("tvae",)),
    "copula": Tool("copula", "copula.py"),
    "cart": Tool("cart", "cart.py"),
}
"""Tools by name."""


def install(name: str) -> None:
    """Makes a rival's environment anew where it is not complete; a second call changes nothing.

    Raises:
        CalledProcessError: a package could not be installed.
    """
    folder, build = ENVIRONMENTS / name, BUILDS[name]
    done = folder / ".installed"
    if done.exists():
        return
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    for packages in build.packages:
        subprocess.run([*pip, "install", "--quiet", *packages], check=True)
    if build.removed:
        subprocess.run([*pip, "uninstall", "--quiet", "--yes", *build.removed], check=True)
    done.write_text(subprocess.run([*pip, "freeze"], check=True, capture_output=True, text=True).stdout)
