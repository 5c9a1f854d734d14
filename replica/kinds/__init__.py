"""Column kinds: one family of values a file, and the one place that knows them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from replica.errors import UnknownNameError
from replica.kinds.account import AccountKind
from replica.kinds.arrays import ArrayKind
from replica.kinds.article import ArticleKind
from replica.kinds.base import Kind
from replica.kinds.bits import BitKind
from replica.kinds.categorical import CategoricalKind
from replica.kinds.code import CodeKind
from replica.kinds.contact import CredentialKind, PhoneKind
from replica.kinds.datetime import IntervalKind, MomentKind, TimeKind
from replica.kinds.forms import FormKind
from replica.kinds.identifiers import BytesKind, NetworkKind, UuidKind
from replica.kinds.label import LabelKind
from replica.kinds.measure import MeasureKind
from replica.kinds.nested import CompositeKind, JsonKind
from replica.kinds.numeric import NumericKind
from replica.kinds.opaque import OpaqueKind
from replica.kinds.personal import PERSONAL, PersonalKind
from replica.kinds.text import TextKind
from replica.schema.model import Column

KINDS: Final[Mapping[str, type[Kind]]] = {
    "number": NumericKind,
    "category": CategoricalKind,
    "moment": MomentKind,
    "time": TimeKind,
    "interval": IntervalKind,
    "uuid": UuidKind,
    "bytes": BytesKind,
    "network": NetworkKind,
    "json": JsonKind,
    "array": ArrayKind,
    "composite": CompositeKind,
    "bits": BitKind,
    "form": FormKind,
    "article": ArticleKind,
    "measure": MeasureKind,
    "code": CodeKind,
    "label": LabelKind,
    "text": TextKind,
    "phone": PhoneKind,
    "national_id": AccountKind,
    "iban": AccountKind,
    "card": AccountKind,
    "credential": CredentialKind,
    # Accepts nearly everything, so it comes last.
    "opaque": OpaqueKind,
}
"""Kinds by the name that schema maps use; classes of made-up values are kinds too. A new kind is a class and a line."""

_BY_FAMILY: Final[Mapping[str, str]] = {
    "boolean": "category",
    "enum": "category",
    "integer": "number",
    "float": "number",
    "numeric": "number",
    "money": "number",
    "date": "moment",
    "timestamp": "moment",
    "timestamptz": "moment",
    "time": "time",
    "timetz": "time",
    "interval": "interval",
    "uuid": "uuid",
    "bytes": "bytes",
    "network": "network",
    "json": "json",
    "array": "array",
    "composite": "composite",
    "bit": "bits",
    "text": "text",
}


def kind_named(name: str) -> tuple[type[Kind], dict[str, Any]]:
    """Returns a kind by its name, with the options that the name stands for.

    Raises:
        UnknownNameError: there is none.
    """
    if name in PERSONAL:
        return PersonalKind, {"class": name}
    if name not in KINDS:
        raise UnknownNameError("column kind", name, {*KINDS, *PERSONAL})
    return KINDS[name], {}


def kind_of_type(column: Column) -> str:
    """Returns the kind that suits a column's type when nothing is known of its values."""
    other = "form" if FormKind.accepts(column) else "opaque"
    return _BY_FAMILY.get(column.type.family, other)
