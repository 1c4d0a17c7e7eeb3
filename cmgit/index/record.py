"""What the index knows of one artifact, and how a lookup reads JSON and hashes.

A record is a dict with the keys ``uid alias automation_alias automation_uid path tags tree`` and,
where the artifact inherits, ``base`` and ``own_tags``; ``tags`` are those after inheritance. JSON
is decoded with the scanner of CPython's own ``json`` package, taken from the C module: importing
the package costs as much as half of Python's start, the scanner nothing.
"""

from __future__ import annotations

from xxhash import xxh3_64_hexdigest, xxh3_64_intdigest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Record = dict[str, Any]
else:
    Record = dict

digest = xxh3_64_hexdigest
"""The hash that names and verifies the files of the index."""

hash64 = xxh3_64_intdigest
"""The same as a number."""


def sealed(body: bytes) -> bytes:
    """Some text with, on a line of its own, the digest of it."""
    return body + b"\n" + digest(body).encode() + b"\n"


def unsealed(data: bytes) -> bytes:
    """The text of :func:`sealed`; raises ValueError when it does not match its digest."""
    body, _, check = data.rstrip(b"\n").rpartition(b"\n")
    if digest(body) != check.decode("ascii", "replace"):
        raise ValueError("it does not match its digest")
    return body


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
