"""Families of generators, one a file, and the one place that knows them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from replica.errors import UnknownNameError
from replica.generators.auto import choose_family
from replica.generators.autoregressive import Autoregressive
from replica.generators.base import Encoded, FitOptions, TableGenerator
from replica.generators.diffusion import Diffusion
from replica.generators.gan import Gan
from replica.generators.marginal import Marginal
from replica.generators.vae import Vae

GENERATORS: Final[Mapping[str, type[TableGenerator]]] = {
    "autoregressive": Autoregressive,
    "diffusion": Diffusion,
    "gan": Gan,
    "marginal": Marginal,
    "vae": Vae,
}
"""Families by the name that settings and schema maps use. A new one is a file and a line here."""

DEFAULT_GENERATOR, PRIVATE_GENERATOR = "autoregressive", "marginal"
"""The usual families, without and with differential privacy."""

PRIVATE_GENERATORS = ("marginal", "autoregressive")
"""Families that can learn under differential privacy."""

AUTO = "auto"
CHOICES = (AUTO, *GENERATORS)
"""What a user may name: a family, or that one is chosen for each table when its rows are there."""


def family_for(name: str, rows: Encoded, context: Encoded, options: FitOptions) -> type[TableGenerator]:
    """Returns the family that a name stands for; ``auto`` is decided by what there is to learn.

    Raises:
        UnknownNameError: there is none.
    """
    return generator_named(choose_family(rows, context, options) if name == AUTO else name)


def generator_named(name: str) -> type[TableGenerator]:
    """Returns a family by its name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in GENERATORS:
        raise UnknownNameError("generator", name, GENERATORS)
    return GENERATORS[name]
