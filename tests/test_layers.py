"""The package is layered: imports lead one way, names are private where they say so, and everything is described."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import replica

ROOT = Path(replica.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

# Each room and the rooms it may import, beside itself; from the foundations up to the command line.
LAYERS: dict[str, str] = {
    "errors": "",
    "progress": "",
    "seeds": "",
    "state": "errors",
    "processes": "",
    "schema": "errors",
    "databases": "errors schema",
    "kinds": "errors schema databases.base",
    "generators": "errors seeds kinds",
    "privacy": "",
    "relations": "errors schema kinds",
    "settings": "errors generators relations",
    "constraints": "errors schema databases.base kinds relations",
    "rules": "schema kinds relations constraints",
    "inference": "errors progress seeds schema databases.base kinds constraints rules",
    "planning": "errors schema kinds constraints rules settings",
    "plan": "errors schema generators settings planning",
    "fitted": "databases.base kinds generators relations planning privacy",
    "artifact": "errors state schema databases.base kinds generators relations planning privacy fitted",
    "learning": "errors progress seeds schema databases.base kinds generators relations rules settings planning fitted",
    "making": "errors seeds schema databases.base kinds relations constraints rules planning fitted",
    "imagining": "errors seeds schema databases.base kinds relations constraints inference planning making settings",
    "protecting": (
        "errors progress seeds state schema databases.base kinds generators relations constraints settings planning"
        " privacy plan fitted learning inference imagining"
    ),
    "fit": (
        "errors processes progress seeds schema databases.base kinds generators relations settings planning fitted"
        " learning protecting"
    ),
    "sample": "errors seeds schema databases.base kinds relations constraints settings planning fitted making",
    "load": "errors progress schema databases.base databases.url constraints settings planning fitted sample",
    "control": "errors schema databases.base inference planning settings",
    "evaluation": (
        "control errors processes progress seeds schema databases kinds privacy relations rules inference planning"
        " learning settings"
    ),
    "report": "errors schema privacy evaluation",
    "pipeline": (
        "control errors progress schema databases evaluation fit fitted imagining inference load plan planning"
        " protecting sample settings"
    ),
    "worst_case": "errors progress databases evaluation control pipeline planning settings",
    "samples": "errors seeds databases",
}
# What puts everything together may import everything.
ASSEMBLIES = {"__init__", "__main__", "cli"}
STAGES = ("inference", "plan", "fit", "sample", "load", "evaluation")


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Modules of the package that a module imports, each with the name it takes."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield ".", ""
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "replica":
            inside = node.module.removeprefix("replica").removeprefix(".")
            yield from ((inside or alias.name, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((a.name.removeprefix("replica."), "") for a in node.names if a.name.split(".")[0] == "replica")


def identify(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_imports_lead_to_lower_layers_only(path: Path) -> None:
    room = room_of(path)
    if room in ASSEMBLIES:
        return
    allowed = (room, *LAYERS[room].split())
    for module, name in imports(path):
        whole = f"{module}.{name}"
        assert any(_inside(whole, layer) for layer in allowed), whole


def _inside(module: str, layer: str) -> bool:
    return module == layer or module.startswith(f"{layer}.")


def test_the_layers_have_no_circle_and_every_room_is_one() -> None:
    order = list(LAYERS)
    for room, below in LAYERS.items():
        assert all(order.index(name.split(".")[0]) < order.index(room) for name in below.split()), room
    assert {room_of(path) for path in MODULES} - ASSEMBLIES == set(LAYERS)
    assert [room for room in order if room in STAGES] == list(STAGES)


def test_kinds_and_generators_know_no_database() -> None:
    for path in MODULES:
        if room_of(path) in ("kinds", "generators", "relations", "constraints", "making", "sample"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"^(import|from) (psycopg|adbc_driver)", text, re.MULTILINE), path
    assert not [
        module for path in MODULES if room_of(path) == "schema" for module, _ in imports(path) if "fit" in module
    ]


def test_only_the_rooms_of_a_database_speak_to_one() -> None:
    speakers = {
        room_of(path)
        for path in MODULES
        if re.search(r"^\s*(import|from) (psycopg|adbc_driver)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert speakers <= {"databases", "samples", "cli"}


def test_the_public_names_are_those_that_are_documented() -> None:
    assert list(replica.__all__) == sorted(replica.__all__)
    taken = {alias.asname or alias.name for node in tree_of(ROOT / "__init__.py").body
             if isinstance(node, ast.ImportFrom) and node.module != "__future__" for alias in node.names}  # fmt: skip
    assert taken == set(replica.__all__)
    stages = re.findall(r"(\w+) ->|-> (\w+)$", replica.__doc__ or "", re.MULTILINE)
    assert {first or last for first, last in stages} <= set(replica.__all__)
    for name in replica.__all__:
        assert getattr(replica, name).__doc__, name


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_everything_public_is_described(path: Path) -> None:
    tree = tree_of(path)
    assert ast.get_docstring(tree)
    silent = [node.name for node in public(tree) if not ast.get_docstring(node)]
    assert not silent


Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def public(node: ast.Module | ast.ClassDef) -> Iterator[Named]:
    """Functions and classes that others may use, and their methods."""
    for inner in node.body:
        if isinstance(inner, Named) and not inner.name.startswith("_"):
            yield inner
            if isinstance(inner, ast.ClassDef):
                yield from public(inner)


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_no_module_takes_a_private_name_of_another(path: Path) -> None:
    assert not [name for _, name in imports(path) if name.startswith("_")]
    # Neither through the module itself.
    modules = {name for module, name in imports(path) if (ROOT / module.replace(".", "/") / f"{name}.py").exists()}
    taken = [
        node.attr
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
    ]
    assert not [name for name in taken if name.startswith("_")]


GLOBAL_STREAM = re.compile(
    r"\bnp\.random\.(?!default_rng\b|Generator\b)\w+|\btorch\.(manual_seed|seed)\b|"
    r"^\s*(import random\b|from random import (?!Random\b))"
    r"|default_rng\(\)|\bFaker\.seed\b|torch\.(rand|randn|randint|randperm)\((?!.*generator=)",
    re.MULTILINE,
)


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_chance_comes_from_streams_that_are_handed_on(path: Path) -> None:
    found = GLOBAL_STREAM.findall(path.read_text(encoding="utf-8"))
    assert not found


def test_the_pattern_for_global_streams_finds_them() -> None:
    for line in (
        "np.random.seed(3)",
        "np.random.rand()",
        "torch.manual_seed(1)",
        "import random",
        "np.random.default_rng()",
        "torch.rand(3)",
    ):
        assert GLOBAL_STREAM.search(line), line
    for line in (
        "np.random.default_rng(seed)",
        "rng: np.random.Generator",
        "torch.rand(3, generator=g)",
        "rng.random(3)",
    ):
        assert not GLOBAL_STREAM.search(line), line
