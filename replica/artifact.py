"""A fitted replica as one file: a zip with JSON, safetensors and a manifest of hashes. Never pickle.

manifest.json      format, versions, fingerprint of the schema, SHA-256 of every other member
replica.json       plan, schema, kinds: everything but numbers in bulk
arrays.safetensors the numbers
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import numpy as np
import safetensors
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from replica import fitted
from replica.databases import base as databases
from replica.errors import ArtifactError
from replica.fitted import FittedReplica
from replica.generators import GENERATORS
from replica.generators.marginal import Factor
from replica.generators.wiring import Wiring
from replica.kinds import KINDS
from replica.kinds.base import Span
from replica.kinds.code import Pattern
from replica.kinds.measure import Form
from replica.kinds.nested import JsonNode
from replica.kinds.personal import PersonalKind
from replica.kinds.quantile import QuantileCode
from replica.planning import decisions
from replica.privacy import ledger
from replica.relations.context import Ancestor, ContextSpec
from replica.relations.elders import Elder
from replica.relations.families import FamilyCode
from replica.relations.fanout import FanOut
from replica.relations.gaps import GapCode
from replica.relations.keys import KeyMaker
from replica.relations.layout import Block, Layout
from replica.relations.likeness import Likeness
from replica.relations.partial import PartialNulls
from replica.relations.reuse import Reuse
from replica.relations.sequences import SequenceCode
from replica.schema import graph, model, rules, schema_map
from replica.state import Arrays, pack, unpack

FORMAT = "replica-artifact"
FORMAT_VERSION = 1

_MANIFEST, _TREE, _ARRAYS = "manifest.json", "replica.json", "arrays.safetensors"
_MAX_BYTES = 2**31

# What zipfile and json raise where bytes are not what they should be; encryption and unknown methods among them.
_UNREADABLE = (
    OSError,
    EOFError,
    KeyError,
    ValueError,
    RuntimeError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


def _classes() -> dict[str, type]:
    """Every class that a file may hold. What is not listed here is never made."""
    listed = [
        *(
            found
            for module in (fitted, ledger, decisions, model, graph, schema_map, rules)
            for found in vars(module).values()
        ),
        *KINDS.values(),
        *GENERATORS.values(),
        *(PersonalKind, QuantileCode, Span, Pattern, JsonNode, Form),
        *(
            Ancestor,
            ContextSpec,
            Elder,
            FamilyCode,
            FanOut,
            GapCode,
            KeyMaker,
            Block,
            Layout,
            PartialNulls,
            *(SequenceCode, Wiring, Factor, Likeness, Reuse),
        ),
        *(databases.Ddl, databases.Repeats, databases.Statement),
    ]
    return {
        found.__name__: found for found in listed if isinstance(found, type) and hasattr(found, "__dataclass_fields__")
    }


def fingerprint(schema: model.Schema) -> str:
    """Returns a hash of everything a schema declares; row counts and sizes do not matter."""
    arrays: Arrays = {}
    tree = pack(schema, arrays)
    for table in tree["tables"]:
        table.pop("row_estimate")
        table.pop("bytes")
    for name in ("database", "server", "server_version"):
        tree.pop(name)
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


def save(replica: FittedReplica, path: Path) -> None:
    """Writes a fitted replica to a file, whole or not at all.

    Raises:
        ArtifactError: the file cannot be written.
    """
    arrays: Arrays = {}
    tree = json.dumps(pack(replica, arrays), ensure_ascii=False, allow_nan=True).encode()
    members = {_TREE: tree, _ARRAYS: save_arrays({name: np.ascontiguousarray(a) for name, a in arrays.items()})}
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "replica_version": version("replica"),
        "schema_fingerprint": fingerprint(replica.plan.schema),
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in members.items()},
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _whole(path) as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(_MANIFEST, json.dumps(manifest, indent=2))
            for name, data in members.items():
                archive.writestr(name, data)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ArtifactError(f"{path} cannot be written: {reason}") from None


@contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """Opens a file beside a path and moves it there at the end, so that no half file ever has the name."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, suffix=".part", delete=False) as out:
        part = Path(out.name)
        try:
            yield out
            out.flush()
            part.replace(path)
        except BaseException:
            # Ctrl-C too must leave no part of a file behind.
            part.unlink(missing_ok=True)
            raise


def open_artifact(path: Path) -> FittedReplica:
    """Reads a fitted replica from a file.

    Raises:
        ArtifactError: the file is missing, damaged, of another version, or no artifact.
    """
    members = _read(path)
    try:
        replica = unpack(json.loads(members[_TREE]), load_arrays(members[_ARRAYS]), _classes())
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from None
    except (ValueError, TypeError, RecursionError, safetensors.SafetensorError):
        raise ArtifactError(f"{path} is damaged: fit the source again") from None
    if not isinstance(replica, FittedReplica):
        raise ArtifactError(f"{path} holds no fitted replica: fit the source again")
    return replica


def read_manifest(path: Path) -> Mapping[str, Any]:
    """Returns what a file says of itself: versions, fingerprint of the schema, hashes.

    Raises:
        ArtifactError: the file is missing, or no artifact.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            manifest: Mapping[str, Any] = json.loads(archive.read(_MANIFEST))
    except FileNotFoundError:
        raise ArtifactError(f"{path} does not exist: `replica fit` makes such files") from None
    except PermissionError:
        raise ArtifactError(f"{path} may not be read: check its permissions") from None
    except _UNREADABLE:
        raise ArtifactError(f"{path} is not a replica artifact: `replica fit` makes such files") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ArtifactError(f"{path} is not a replica artifact: `replica fit` makes such files")
    return manifest


def _read(path: Path) -> dict[str, bytes]:
    manifest = read_manifest(path)
    found = manifest.get("format_version")
    if found != FORMAT_VERSION:
        raise ArtifactError(
            f"{path} is of format {found}, this version reads {FORMAT_VERSION}: use replica"
            f" {manifest.get('replica_version', 'of that time')}, or fit the source again"
        )
    hashes = manifest.get("sha256")
    members = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in (_TREE, _ARRAYS):
                if archive.getinfo(name).file_size > _MAX_BYTES:
                    raise ArtifactError(f"{path} is damaged: {name} is far too large")
                members[name] = archive.read(name)
    except _UNREADABLE:
        raise ArtifactError(f"{path} is damaged: fit the source again") from None
    for name, data in members.items():
        if not isinstance(hashes, dict) or hashlib.sha256(data).hexdigest() != hashes.get(name):
            raise ArtifactError(f"{path} is damaged: {name} is not what was written; fit the source again")
    return members
