"""What the index knows of one artifact, and how a lookup reads it.

A record is a JSON object on one line, written by orjson, with the keys ``uid alias
automation_alias automation_uid path tags tree`` and, where the artifact inherits, ``base`` and
``own_tags``. It is decoded with the scanner of CPython's own ``json`` package, taken from the C
module: importing the package costs as much as half of Python's start, the scanner nothing.
"""

from __future__ import annotations

from xxhash import xxh3_64_hexdigest, xxh3_64_intdigest

from ..names import same_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Record = dict[str, Any]
else:
    Record = dict

digest = xxh3_64_hexdigest
"""The hash that names and verifies the files of the index."""


def _scanner() -> Callable[[str], Any]:
    try:
        from _json import make_scanner
    except ImportError:  # another Python than CPython
        from json import loads

        return loads

    class Context:
        strict = True
        object_hook = object_pairs_hook = None
        parse_float, parse_int, parse_constant = float, int, float
        memo: dict[str, str] = {}  # noqa: RUF012 (the scanner's own memory of keys)

    scan = make_scanner(Context)  # type: ignore[arg-type]
    return lambda text: scan(text, 0)[0]


decode = _scanner()
"""Turn JSON text, without white space before it, into a value."""


def term(kind: str, text: str) -> int:
    """The 64-bit key under which a posting list is found; README.md lists the kinds."""
    return xxh3_64_intdigest((kind + text).encode("utf-8", "surrogatepass"))


def key_term(automation: str, alias: str) -> int:
    """The key of an artifact by its automation's and its own alias."""
    return term("k", f"{same_word(automation)}/{same_word(alias)}")


def terms(record: Record) -> Iterator[int]:
    """Every key under which a record is found."""
    yield int(record["uid"], 16)
    yield key_term(record["automation_alias"], record["alias"])
    yield term("n", same_word(record["alias"]))
    yield term("a", same_word(record["automation_alias"]))
    yield term("A", record["automation_uid"])
    for tag in record["tags"]:
        yield term("t", tag)
    if "base" in record:
        yield term("b", "")
