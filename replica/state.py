"""Frozen dataclasses as JSON and arrays, and back. Only classes that are named in advance are ever made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from replica.errors import ArtifactError

Arrays = dict[str, npt.NDArray[Any]]

_CLASS, _ARRAY, _MAP = "$class", "$array", "$map"


def pack(value: Any, arrays: Arrays, path: str = "") -> Any:
    """Returns a value as JSON can hold it; arrays are put aside under the path where they stood.

    Args:
        value: dataclasses, tuples, lists, mappings with text or number keys, arrays, text, numbers, None.
        arrays: where the arrays go.
        path: where the value stands.

    Raises:
        TypeError: something in it is none of these.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        arrays[path] = np.ascontiguousarray(value)
        return {_ARRAY: path}
    if is_dataclass(value) and not isinstance(value, type):
        inner = {
            found.name: pack(getattr(value, found.name), arrays, f"{path}/{found.name}") for found in fields(value)
        }
        return {_CLASS: type(value).__name__, **inner}
    if isinstance(value, Mapping):
        return {_MAP: [[pack(k, arrays), pack(v, arrays, f"{path}/{k}")] for k, v in value.items()]}
    if isinstance(value, tuple | list | frozenset):
        items = sorted(value) if isinstance(value, frozenset) else value
        return [pack(item, arrays, f"{path}/{i}") for i, item in enumerate(items)]
    raise TypeError(f"{type(value).__name__} at {path} cannot be saved")


def unpack(tree: Any, arrays: Mapping[str, npt.NDArray[Any]], classes: Mapping[str, type]) -> Any:
    """Returns what :func:`pack` was given; lists come back as tuples.

    Args:
        tree: the JSON.
        arrays: the arrays by path.
        classes: the classes that may be made, by name.

    Raises:
        ArtifactError: the JSON names a class or an array that is not there, or does not fit a class.
    """
    if isinstance(tree, list):
        return tuple(unpack(item, arrays, classes) for item in tree)
    if not isinstance(tree, dict):
        return tree
    if _ARRAY in tree:
        if tree[_ARRAY] not in arrays:
            raise ArtifactError(f"array {tree[_ARRAY]} is missing: the file is damaged")
        return arrays[tree[_ARRAY]]
    if _MAP in tree:
        return {unpack(k, arrays, classes): unpack(v, arrays, classes) for k, v in tree[_MAP]}
    name = str(tree.get(_CLASS))
    if name not in classes:
        raise ArtifactError(f"the file holds a {name}, which this version does not know: use the version that wrote it")
    inner = {key: unpack(value, arrays, classes) for key, value in tree.items() if key != _CLASS}
    try:
        return classes[name](**inner)
    except TypeError as error:
        raise ArtifactError(f"the file's {name} is of another version: use the version that wrote it") from error
