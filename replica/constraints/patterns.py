"""PostgreSQL's regular expressions as Python writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping

# An escaped character, a class in brackets with the named classes in it, the end of the text, a group, or a character.
_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\[[:.=].*?[:.=]\]|\\.|[^\]])*\]|\(\?(?::|<?[=!])|\(\?|\$|.",
    re.DOTALL,
)
_IN_CLASS = re.compile(r"\[([:.=])(.*?)\1\]|(\\.)|(--|[\[&|~])", re.DOTALL)
_START_OF_WORD, _END_OF_WORD = r"\b(?=\w)", r"\b(?<=\w)"
_WRITTEN: Mapping[str, str] = {
    # Python's $ stands before a last line break too.
    "$": r"\Z",
    r"\m": _START_OF_WORD,
    r"\M": _END_OF_WORD,
    "[[:<:]]": _START_OF_WORD,
    "[[:>:]]": _END_OF_WORD,
    r"\y": r"\b",
    r"\Y": r"\B",
}
_ASCII: Mapping[str, str] = {
    "alpha": "A-Za-z",
    "alnum": "0-9A-Za-z",
    "upper": "A-Z",
    "lower": "a-z",
    "punct": r"!-/:-@\[-`{-\~",
    "print": r" -\~",
    "graph": r"!-\~",
}
# These hold the same characters whatever the language.
_ANYWHERE: Mapping[str, str] = {
    "digit": "0-9",
    "xdigit": "0-9A-Fa-f",
    "blank": r" \t",
    "space": r"\s",
    "word": r"\w",
    "cntrl": r"\x00-\x1f\x7f",
}


def in_python(pattern: str, *, ascii_only: bool = False) -> str:
    r"""Returns a regular expression for Python, where a dot is any character (``re.DOTALL``).

    Args:
        pattern: the expression as PostgreSQL has it (an ARE).
        ascii_only: True lets named classes such as ``[:alpha:]`` be their ASCII characters, which belong to them in
            every locale; otherwise they are not read, since a server's locale says what else does.

    Raises:
        ValueError: Python has no such expression.

    >>> in_python(r"^[[:digit:]]+\M$")
    '^[0-9]+\\b(?<=\\w)\\Z'
    """
    if pattern.startswith("***"):
        raise ValueError("a director")
    ignores_case = pattern.startswith("(?i)")
    tokens = _TOKEN.findall(pattern[4:] if ignores_case else pattern)
    return ("(?i)" if ignores_case else "") + "".join(_token(token, ascii_only) for token in tokens)


def _token(token: str, ascii_only: bool) -> str:
    if token in _WRITTEN:
        return _WRITTEN[token]
    if token == "(?":  # noqa: S105 - no password
        raise ValueError("options inside the expression")
    if not token.startswith("[") or len(token) == 1:
        return token
    named = {**_ANYWHERE, **_ASCII} if ascii_only else _ANYWHERE

    def written(found: re.Match[str]) -> str:
        mark, name, escaped, sign = found.groups()
        if mark is None:
            # Signs that Python keeps for operations on sets.
            return escaped or ("-\\-" if sign == "--" else f"\\{sign}")
        if mark != ":" or name not in named:
            raise ValueError(f"the characters of {found[0]}")
        return named[name]

    return "[" + _IN_CLASS.sub(written, token[1:-1]) + "]"
