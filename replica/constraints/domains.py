"""What checks leave of one column's values: ranges, lists, lengths and patterns, as far as they stand by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from sqlglot import exp

from replica.constraints.checks import NotReadableError, parse
from replica.schema.model import Check, Column


@dataclass(frozen=True)
class Domain:
    """The values that a column may have.

    Attributes:
        values: the only values, as texts; None where there is no list.
        low: the least value as text; None without a limit.
        high: the greatest value as text.
        low_open: True where ``low`` itself is excluded.
        high_open: True where ``high`` itself is excluded.
        min_length: fewest characters.
        max_length: most characters.
        patterns: regular expressions that every value matches somewhere.
        not_null: True where null is excluded.
    """

    values: tuple[str, ...] | None = None
    low: str | None = None
    high: str | None = None
    low_open: bool = False
    high_open: bool = False
    min_length: int = 0
    max_length: int | None = None
    patterns: tuple[str, ...] = ()
    not_null: bool = False


def domain_of(column: Column, checks: Iterable[Check]) -> Domain:
    """Returns what some checks say of a column alone; what they say together with others is left out."""
    found = Domain(max_length=column.type.length if column.type.family == "text" else None)
    for check in checks:
        try:
            tree = parse(check.expression)
        except NotReadableError:
            continue
        for part in _parts(tree):
            found = _narrowed(found, part, column.name)
    return found


def _parts(tree: exp.Expr) -> Iterator[exp.Expr]:
    """The conditions that must hold all at once."""
    while isinstance(tree, exp.Paren):
        tree = tree.this
    if isinstance(tree, exp.And):
        yield from _parts(tree.left)
        yield from _parts(tree.right)
    elif isinstance(tree, exp.Or) and (rest := _without_null(tree)) is not None:
        # "It is null, or ...": what follows holds for every value.
        yield from _parts(rest)
    elif isinstance(tree, exp.Between):
        yield exp.GTE(this=tree.this, expression=tree.args["low"])
        yield exp.LTE(this=tree.this, expression=tree.args["high"])
    else:
        yield tree


def _without_null(tree: exp.Or) -> exp.Expr | None:
    for first, other in ((tree.left, tree.right), (tree.right, tree.left)):
        side = _bare(first)
        if isinstance(side, exp.Is) and isinstance(side.expression, exp.Null) and not side.args.get("negate"):
            same = _bare(side.this)
            names = {column.name for column in other.find_all(exp.Column)}
            if isinstance(same, exp.Column) and names == {same.name}:
                return other
    return None


def _narrowed(domain: Domain, part: exp.Expr, name: str) -> Domain:
    if _says_not_null(part, name):
        return replace(domain, not_null=True)
    if (truth := _truth(part, name)) is not None:
        return _with_values(domain, [truth])
    flipped: dict[type[exp.Expr], type[exp.Expr]] = {exp.LT: exp.GT, exp.GT: exp.LT, exp.LTE: exp.GTE, exp.GTE: exp.LTE}
    if isinstance(part, exp.LT | exp.GT | exp.LTE | exp.GTE | exp.EQ):
        left, right = _bare(part.this), _bare(part.expression)
        kind: type[exp.Expr] = type(part)
        if not isinstance(left, exp.Column | exp.Length) and isinstance(right, exp.Column | exp.Length):
            left, right, kind = right, left, flipped.get(kind, kind)
        if isinstance(left, exp.Length) and _is_column(left.this, name):
            return _with_length(domain, kind, _literal(right))
        if not _is_column(left, name):
            return domain
        listed = _listed(right) if kind is exp.EQ else None
        if listed is not None:
            return _with_values(domain, listed)
        text = _literal(right)
        return domain if text is None else _with_limit(domain, kind, text)
    if isinstance(part, exp.In) and _is_column(part.this, name):
        texts = [_literal(element) for element in part.expressions]
        return _with_values(domain, texts) if texts else domain
    if isinstance(part, exp.RegexpLike) and _is_column(part.this, name) and not part.args.get("negate"):
        text = _literal(part.expression)
        return domain if text is None else replace(domain, patterns=(*domain.patterns, text))
    return domain


def _truth(part: exp.Expr, name: str) -> str | None:
    """The value of a column that stands alone as a condition, or negated."""
    if _is_column(part, name):
        return "true"
    return "false" if isinstance(part, exp.Not) and _is_column(part.this, name) else None


def _says_not_null(part: exp.Expr, name: str) -> bool:
    part = _bare(part)
    negated = isinstance(part, exp.Not)
    inner = _bare(part.this) if negated else part
    if not isinstance(inner, exp.Is) or not isinstance(inner.expression, exp.Null) or not _is_column(inner.this, name):
        return False
    return negated != bool(inner.args.get("negate"))


def _with_length(domain: Domain, kind: type[exp.Expr], text: str | None) -> Domain:
    if text is None or not text.isdigit():
        return domain
    number = int(text)
    most: dict[type[exp.Expr], int] = {exp.LT: number - 1, exp.LTE: number, exp.EQ: number}
    least: dict[type[exp.Expr], int] = {exp.GT: number + 1, exp.GTE: number, exp.EQ: number}
    longest, shortest = most.get(kind), least.get(kind, 0)
    if longest is not None:
        longest = longest if domain.max_length is None else min(longest, domain.max_length)
    return replace(
        domain,
        min_length=max(domain.min_length, shortest),
        max_length=longest if longest is not None else domain.max_length,
    )


def _with_values(domain: Domain, texts: Iterable[str | None]) -> Domain:
    listed = tuple(dict.fromkeys(text for text in texts if text is not None))
    if domain.values is not None:
        listed = tuple(value for value in domain.values if value in listed)
    return replace(domain, values=listed)


def _with_limit(domain: Domain, kind: type[exp.Expr], text: str) -> Domain:
    if kind is exp.EQ:
        return _with_values(domain, [text])
    is_low = kind in (exp.GT, exp.GTE)
    known = domain.low if is_low else domain.high
    if known is not None and (_after(known, text) if is_low else _after(text, known)):
        return domain
    is_open = kind in (exp.GT, exp.LT)
    return replace(domain, low=text, low_open=is_open) if is_low else replace(domain, high=text, high_open=is_open)


def _after(a: str, b: str) -> bool:
    try:
        return float(a) > float(b)
    except ValueError:
        return a > b


def _bare(node: exp.Expr) -> exp.Expr:
    while isinstance(node, exp.Paren | exp.Cast):
        node = node.this
    return node


def _is_column(node: exp.Expr, name: str) -> bool:
    bare = _bare(node)
    return isinstance(bare, exp.Column) and bare.name == name


def _literal(node: exp.Expr) -> str | None:
    bare = _bare(node)
    if isinstance(bare, exp.Neg):
        inner = _literal(bare.this)
        return None if inner is None else f"-{inner}"
    if isinstance(bare, exp.Boolean):
        return "true" if bare.this else "false"
    return bare.name if isinstance(bare, exp.Literal) else None


def _listed(node: exp.Expr) -> list[str | None] | None:
    """The elements of ``ANY (ARRAY[...])``; None for anything else."""
    if not isinstance(node, exp.Any):
        return None
    inner = _bare(node.this)
    return [_literal(element) for element in inner.expressions] if isinstance(inner, exp.Array | exp.Tuple) else None
