"""Guessing what tables are: about persons, belonging to persons, lists to copy; and which reference owns the rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from replica.inference.ordering import ranks
from replica.inference.personal import STRONG, guess_personal, is_credential, is_named, is_of_persons, words_of
from replica.inference.sampling import TableSample
from replica.schema.graph import descendants, paths_to
from replica.schema.model import Column, ForeignKey, Schema, Table
from replica.schema.schema_map import Role

# Words for organisations, in the singular.
_ORGANISATION_WORDS = frozenset(
    {"supplier", "vendor", "company", "organisation", "organization", "store", "shop", "branch", "shipper", "publisher"}
    | {"manufacturer", "agency", "partner", "school", "hospital", "bank"}
)

_LOOKUP_ROWS = 250
_LOOKUP_COLUMNS = 8
_LOOKUP_SHARE = 0.2
# Of a thing, as a district, at least so many rows tell.
_ROWS_PER_THING = 8
_TELLING = 0.8
_MONEY_WORDS = frozenset(
    {"budget", "price", "cost", "salary", "revenue", "discount", "margin", "fee"} | {"balance", "amount"}
)
# A number of more values is a measure, unless they are dense, as a sort order is.
_FEW_MEASURES, _DENSE = 20, 1.5
# Fewer parents, or larger families, and a reference says more as a category than as an owner.
OWNER_PARENTS = 30
OWNER_FAMILY = 3000
# Persons are made on their own, unless they plainly come in groups, as members of a household do.
_HOUSEHOLD = 0.5
_LOOSE = 0.2

# How many private rows a row may have on average and still be called their own.
_SHARED_BY = 2.0
_COVERED = 0.95
_FEWEST_LINKS = 30

Samples = Mapping[str, TableSample]


@dataclass(frozen=True)
class Roles:
    """What was guessed.

    Attributes:
        roles: each table's role.
        reasons: why, by table.
        owners: the owning reference of each table that has one.
        owner_reasons: why, by table.
    """

    roles: Mapping[str, Role]
    reasons: Mapping[str, str]
    owners: Mapping[str, ForeignKey]
    owner_reasons: Mapping[str, str]


def guess_roles(schema: Schema, samples: Samples) -> Roles:
    """Guesses roles and owners of all tables."""
    strong = {name: _strong_columns(sample) for name, sample in samples.items()}
    persons = {name: score for name in samples if (score := _person_score(samples[name], strong[name])) > 0}
    subject = _choose_subject(persons, samples)
    roles: dict[str, Role] = {}
    reasons: dict[str, str] = {}
    private = _private_tables(schema, subject, persons)
    private |= _linked_tables(schema, samples, private, persons)
    for table in schema.tables:
        name = table.id
        if name not in samples:
            roles[name], reasons[name] = "skip", "its rows live elsewhere or in its partitions"
        elif name == subject:
            roles[name] = "subject"
            below = len(descendants(name, schema.foreign_keys))
            reasons[name] = f"about persons: {_listed(strong[name]) or 'its name says so'}; {below} tables below it"
        elif name in persons:
            roles[name], reasons[name] = "private", f"about persons: {_listed(strong[name]) or 'its name says so'}"
        elif name in private:
            roles[name], reasons[name] = "private", f"belongs to {private[name]}"
        elif _is_lookup(samples[name], schema, samples):
            roles[name], reasons[name] = "lookup", _why_lookup(samples[name], schema)
        else:
            roles[name], reasons[name] = "public", "no personal data found in it, or above it"
    owners, why = _choose_owners(schema, samples, roles)
    return Roles(roles, reasons, owners, why)


def _strong_columns(sample: TableSample) -> list[str]:
    found = []
    for column in sample.table.columns:
        if column.type.family != "text" or not pa.types.is_string(sample.data.schema.field(column.name).type):
            continue
        are_persons = is_of_persons(sample.table)
        guess = guess_personal(column, sample.texts(column.name)[:500], about_persons=True, are_persons=are_persons)
        if guess and guess[0] in STRONG and guess[0] not in ("username",):
            found.append(column.name)
    return found


def _person_score(sample: TableSample, strong: list[str]) -> float:
    """How much a table is one of persons: signs in its columns, and its name."""
    named = is_of_persons(sample.table)
    kinds = {words_of(column) for column in strong}
    has_name = any("name" in kind or kind in ("contact", "vorname", "nachname") for kind in kinds)
    if has_name or len(strong) >= 2:
        return len(strong) + (2 if named else 0)
    if named and sample.table.primary_key is not None:
        return 1 + len(strong)
    return 1.0 if strong else 0.0


def _choose_subject(persons: Mapping[str, float], samples: Samples) -> str | None:
    """Of the tables with the most signs, the one with the most rows."""
    if not persons:
        return None
    best = max(persons.values())
    likely = [name for name, score in persons.items() if score >= best / 2 and samples[name].table.primary_key]
    if not likely:
        return None
    return max(likely, key=lambda name: (samples[name].rows, persons[name], name))


def _private_tables(schema: Schema, subject: str | None, persons: Mapping[str, float]) -> dict[str, str]:
    """Tables below persons, with the table they belong to; tables above persons are not among them."""
    found: dict[str, str] = {}
    keys = schema.foreign_keys
    above = {name for person in persons for name in schema.by_id if paths_to(person, name, keys)}
    # What hangs on an organisation, such as a supplier's products, belongs to nobody.
    people = [name for name in persons if name == subject or not _is_organisation(schema.by_id[name], persons[name])]
    downward = [key for key in keys if key.child not in above]
    for person in sorted(people, key=lambda name: name != subject):
        for name in sorted(descendants(person, downward)):
            found.setdefault(name, person)
    return found


def _linked_tables(
    schema: Schema, samples: Samples, private: Mapping[str, str], persons: Mapping[str, float]
) -> dict[str, str]:
    """Tables that private rows point to nearly one to one, such as a client's accounts behind a link table."""
    found: dict[str, str] = {}
    for name in private:
        for key in schema.by_id[name].foreign_keys if name in samples else ():
            known = key.parent in private or key.parent in persons or key.parent not in samples
            if known or key.is_self or not _is_nearly_own(samples[name], key, samples[key.parent]):
                continue
            found[key.parent] = name
            for below in descendants(key.parent, schema.foreign_keys):
                if below not in private and below not in persons and not paths_to(name, below, schema.foreign_keys):
                    found.setdefault(below, key.parent)
    return found


def _is_nearly_own(sample: TableSample, key: ForeignKey, parent: TableSample) -> bool:
    """True where every row of the parent has a child or two, and no name that it would be known by."""
    codes = sample.codes(key.columns)
    known = codes[codes >= 0]
    if len(known) < max(_FEWEST_LINKS, 0.9 * len(codes)):
        return False
    used = len(np.unique(known))
    if len(known) > _SHARED_BY * used or (sample.complete and used < _COVERED * parent.rows):
        return False
    texts = [column.name for column in parent.table.columns if column.type.family == "text"]
    return not any(parent.distinct(name) > len(parent) / 2 for name in texts)


def _is_organisation(table: Table, score: float) -> bool:
    """A table with a telephone number and perhaps a contact, whose name says that it is about something else."""
    has_company = any(words_of(column.name) in ("company", "company_name") for column in table.columns)
    return is_named(table, _ORGANISATION_WORDS) or score <= 1.0 or (has_company and not is_of_persons(table))


def _is_lookup(sample: TableSample, schema: Schema, samples: Samples) -> bool:
    """Short lists of labels, and short lists of things known by name that many rows point to."""
    return _is_list_of_labels(sample, schema, samples) or _is_list_of_things(sample, schema, samples)


def _is_list_of_things(sample: TableSample, schema: Schema, samples: Samples) -> bool:
    """Things that everybody knows by name, such as districts or airports, whatever is measured of them.

    Of so few rows nothing can be learned but the rows themselves, and all that points to them depends on which it is.
    """
    table = sample.table
    pointing = [key for key in schema.referencing(table.id) if not key.is_self and key.child in samples]
    if not pointing or not sample.complete or len(sample) > _LOOKUP_ROWS:
        return False
    if any(not key.is_self for key in table.foreign_keys if key.parent in samples and len(samples[key.parent]) > 50):
        return False
    if max(samples[key.child].rows for key in pointing) < _ROWS_PER_THING * len(sample):
        return False
    plain = not any(_is_confidential(table, sample, column.name) for column in table.columns)
    return plain and any(_is_name(sample, column) for column in table.columns)


def _is_name(sample: TableSample, column: Column) -> bool:
    """A text that tells rows apart."""
    return column.type.family == "text" and sample.distinct(column.name) >= _TELLING * len(sample)


def _is_confidential(table: Table, sample: TableSample, name: str) -> bool:
    """What is a matter of its owner, or happened once: credentials, documents, sums of money, moments."""
    column = table.by_name[name]
    if is_credential(column) or column.type.family in ("money", "json", "bytes", "xml", "composite", "tsvector"):
        return True
    if set(words_of(name).split("_")) & _MONEY_WORDS:
        return True
    return column.type.family in ("date", "timestamp", "timestamptz") and sample.distinct(name) > max(
        2, len(sample) // 2
    )


def _is_list_of_labels(sample: TableSample, schema: Schema, samples: Samples) -> bool:
    """Short lists of labels: small beside what points to them, and with nothing in them but labels and numbers."""
    table = sample.table
    pointing = [key for key in schema.referencing(table.id) if not key.is_self and key.child in samples]
    if not pointing or not sample.complete or len(sample) > _LOOKUP_ROWS or len(table.columns) > _LOOKUP_COLUMNS:
        return False
    if any(not key.is_self for key in table.foreign_keys if key.parent in samples and len(samples[key.parent]) > 50):
        return False
    rows_below = max(samples[key.child].rows for key in pointing)
    if len(sample) > max(3, _LOOKUP_SHARE * rows_below):
        return False
    has_label = any(column.type.family in ("text", "enum") for column in table.columns)
    return has_label and not any(_says_more(table, sample, column.name) for column in table.columns)


def _why_lookup(sample: TableSample, schema: Schema) -> str:
    table = sample.table
    pointing = sorted({key.child for key in schema.referencing(table.id) if not key.is_self})
    copied = [
        column.name
        for column in table.columns
        if table.primary_key is None or column.name not in table.primary_key.columns
    ]
    return f"{len(sample)} labels that {_listed(pointing)} point to; copied as they are, {_listed(copied)} too"


def _says_more(table: Table, sample: TableSample, name: str) -> bool:
    """Columns that a list of labels does not have: moments that differ, measures, documents, bytes, long texts."""
    column = table.by_name[name]
    if is_credential(column) or _is_measure(sample, column):
        return True
    if column.type.family in ("json", "bytes", "xml", "composite", "range", "tsvector"):
        return True
    if column.type.family in ("date", "timestamp", "timestamptz"):
        return sample.distinct(name) > max(2, len(sample) // 2)
    if column.type.family == "text":
        texts = sample.texts(name)
        return bool(texts) and sum(map(len, texts)) / len(texts) > 120
    return False


def _is_measure(sample: TableSample, column: Column) -> bool:
    """A number of many values that neither tells rows apart nor counts them, such as a price."""
    if column.type.family not in ("integer", "float", "numeric", "money") or column.generated is not None:
        return False
    table = sample.table
    in_key = any(column.name in unique.columns for unique in table.uniques)
    if in_key or column.name in table.reference_columns or sample.distinct(column.name) <= _FEW_MEASURES:
        return False
    numbers = sample.column(column.name).drop_null().cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return bool(numbers.max() - numbers.min() + 1 > _DENSE * len(np.unique(numbers)) or (numbers % 1 != 0).any())


def _choose_owners(
    schema: Schema, samples: Samples, roles: Mapping[str, Role]
) -> tuple[dict[str, ForeignKey], dict[str, str]]:
    """Chooses at most one owner per table, the clearest cases first, without circles."""
    scored = []
    for table in schema.tables:
        if roles[table.id] in ("lookup", "skip"):
            continue
        for key in table.foreign_keys:
            score, why = _owner_score(key, schema, samples, roles)
            if score > 0:
                scored.append((score, key.id, key, why))
    owners: dict[str, ForeignKey] = {}
    reasons: dict[str, str] = {}
    for _, _, key, why in sorted(scored, key=lambda found: (-found[0], found[1])):
        if key.child not in owners and not _would_circle(key, owners):
            owners[key.child] = key
            reasons[key.child] = why
    return owners, reasons


def _would_circle(key: ForeignKey, owners: Mapping[str, ForeignKey]) -> bool:
    at: str | None = key.parent
    while at is not None:
        if at == key.child:
            return True
        at = owners[at].parent if at in owners else None
    return False


def _owner_score(key: ForeignKey, schema: Schema, samples: Samples, roles: Mapping[str, Role]) -> tuple[float, str]:
    """How well a reference serves as the owner; 0 where it cannot."""
    if key.is_self or key.parent not in samples or roles[key.parent] in ("lookup", "skip"):
        return 0.0, ""
    # What repeats a column of the child's own is chosen to fit it.
    if set(key.columns) & set(schema.by_id[key.child].own_keys):
        return 0.0, ""
    # A department is not made under its head.
    if roles[key.child] == "public" and roles[key.parent] in ("subject", "private"):
        return 0.0, ""
    parents, children = samples[key.parent].rows, samples[key.child].rows
    child = schema.by_id[key.child]
    if parents < OWNER_PARENTS and not (_name_match(key) and parents > 1):
        return 0.0, ""
    if children / max(1, parents) > OWNER_FAMILY:
        return 0.0, ""
    nullable = any(child.by_name[column].nullable for column in key.columns)
    in_key = any(set(key.columns) <= set(unique.columns) for unique in child.uniques)
    adjacent = _adjacency(samples[key.child], key)
    if roles[key.child] == "subject" and adjacent < _HOUSEHOLD:
        return 0.0, ""
    # A loose tie, such as the lead of a project, is a reference: most parents have no child at all.
    if nullable and not in_key and adjacent < _LOOSE and children < parents:
        return 0.0, ""
    wider = any(set(other.columns) < set(key.columns) for other in child.foreign_keys)
    signs = {
        "it says more than another reference": 1.5 if wider and not nullable else 0.0,
        "rows of one parent stand together": 3.0 * adjacent,
        "its rows are ranked": 2.0 if _is_ranked(samples[key.child], key) else 0.0,
        "the tables' names match": 1.5 if _name_match(key) else 0.0,
        "it leads to a person": 0.8 if roles[key.parent] in ("subject", "private") else 0.0,
        "it is part of a key": 0.7 if in_key else 0.0,
        "it is never null": 0.0 if nullable else 0.6,
        "children go with their parent": 0.5 if key.on_delete == "CASCADE" else 0.0,
    }
    best = max(signs, key=lambda sign: signs[sign])
    return 0.1 + sum(signs.values()) + math.log10(max(1, parents)) / 4, best


def _is_ranked(sample: TableSample, key: ForeignKey) -> bool:
    """True where a number counts through the rows of each parent, as places do in a race."""
    table = sample.table
    alone = {unique.columns for unique in table.uniques if len(unique.columns) == 1} | {key.columns}
    numbers = [column.name for column in table.columns if column.type.family == "integer"]
    return any(
        ranks(sample, name, key.columns)
        for name in numbers
        if (name,) not in alone and name not in table.reference_columns
    )


def _name_match(key: ForeignKey) -> bool:
    """``order_line`` belongs to ``orders``."""
    child, parent = key.child.split(".")[-1].strip('"'), key.parent.split(".")[-1].strip('"')
    stem = words_of(parent).rstrip("s")
    return len(stem) > 2 and words_of(child).startswith(stem) and words_of(child) != words_of(parent)


def _adjacency(sample: TableSample, key: ForeignKey) -> float:
    """How often the next row, in the order of the key, has the same parent, beyond what chance would give."""
    if len(sample) < 10:
        return 0.0
    codes = sample.codes(key.columns)[sample.in_key_order]
    known = codes[codes >= 0]
    if len(known) < 10:
        return 0.0
    same = float(np.mean(known[1:] == known[:-1]))
    shares = np.bincount(known) / len(known)
    chance = float((shares**2).sum())
    families = len(shares[shares > 0])
    most = 1 - families / len(known)
    return max(0.0, (same - chance) / max(most, 0.05)) if most > chance else 0.0


def _listed(columns: list[str]) -> str:
    return ", ".join(columns[:4]) + (" and more" if len(columns) > 4 else "")
