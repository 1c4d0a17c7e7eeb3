"""``find --text``, for as long as the text index is true."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...index.lookup import Index
    from ...query import Query
    from ...text.lookup import Match, TextIndex
    from .words import Asked

BEST = 20  # of a text search, when no limit is given
MORE = f"the best {BEST} are shown; --limit=N shows more"
_PARTIAL = "warning: no artifact has all of these words; these have some of them"
STDOUT, STDERR = 1, 2


def answer(index: Index, query: Query, asked: Asked) -> tuple[bytes, int] | None:
    """What ``find --text`` prints, after its notes."""
    from .find import SORT_KEYS

    try:
        from ...text.lookup import open_text
        from ...text.state import DamagedText
    except ModuleNotFoundError:
        return None
    try:
        texts = open_text(asked.home, index)
        if texts is None or asked.sort not in SORT_KEYS:
            return None
        return (_count if asked.has("count") else _best)(texts, query, asked)
    except DamagedText:
        return None


def _count(texts: TextIndex, query: Query, asked: Asked) -> tuple[bytes, int]:
    count, partial = texts.count(query, asked.flag("text"))
    number = count if asked.limit is None else min(asked.limit, count)
    _say([_PARTIAL] if partial and number else [])
    return b"%d\n" % number, _code(number, asked)


def _best(texts: TextIndex, query: Query, asked: Asked) -> tuple[bytes, int] | None:
    from .find import SORT_KEYS

    limit, sort, only_best = asked.limit, asked.sort, asked.limit is None and not asked.sort
    wanted = None if sort else BEST + 1 if only_best else limit
    matches = texts.find(query, asked.flag("text"), wanted)
    shown, notes = list(matches), [_PARTIAL] if matches.partial else []
    if only_best and len(shown) > BEST:
        notes.append(MORE)
        limit = BEST
    if sort:
        shown.sort(key=lambda match: SORT_KEYS[sort](match.hit))
    data = _printed(shown[:limit], asked)
    if data is None:
        return None
    _say(notes)
    return data, _code(len(shown[:limit]), asked)


def _say(notes: list[str]) -> None:
    if notes:
        os.write(STDERR, "".join(f"{note}\n" for note in notes).encode())


def _code(number: int, asked: Asked) -> int:
    from .find import NOT_FOUND

    return NOT_FOUND if asked.has("strict") and not number else 0


def _printed(shown: list[Match], asked: Asked) -> bytes | None:
    from .find import lines
    from .places import directories

    on_terminal = os.isatty(STDOUT)
    if asked.has("json"):
        return b"".join(map(_json_line, shown))
    if asked.has("path"):
        return directories((match.hit for match in shown), asked.home)
    if asked.has("snippets") or (on_terminal and not asked.has("no-snippets")):
        marks = bold(os.environ, on_terminal)
        return lines(_with_snippet(match, *marks) for match in shown)
    return lines(match.hit.name() for match in shown)


def _json_line(match: Match) -> bytes:
    from _json import encode_basestring as quoted

    from .find import json_values

    snippet = quoted(match.snippet().text)
    line = f'{{{json_values(match.hit)},"score":{match.score},"snippet":{snippet}}}\n'
    return line.encode()


def _with_snippet(match: Match, begin: str, end: str) -> str:
    snippet = match.snippet().marked(begin, end)
    return match.hit.name() + (f"\n    {snippet}" if snippet else "")


def bold(environ: Mapping[str, str], on_terminal: bool) -> tuple[str, str]:
    """What begins and ends bold text; nothing where it would not be shown."""
    plain = not on_terminal or environ.get("NO_COLOR") or environ.get("TERM") == "dumb"
    return ("", "") if plain else ("\x1b[1m", "\x1b[0m")
