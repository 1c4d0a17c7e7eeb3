"""``find --text``, for as long as the text index is true."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...index.lookup import Index
    from ...query import Query
    from ...text.lookup import Match, Matches
    from .words import Asked

BEST = 20  # of a text search, when no limit is given
MORE = f"the best {BEST} are shown; --limit=N shows more"
_PARTIAL = "warning: no artifact has all of these words; these have some of them"
STDOUT, STDERR = 1, 2


def answer(index: Index, query: Query, asked: Asked) -> tuple[bytes, int] | None:
    """What ``find --text`` prints, after its notes."""
    try:
        from ...text.lookup import open_text
        from ...text.state import DamagedText
    except ModuleNotFoundError:
        return None
    try:
        texts = open_text(asked.home, index)
        if texts is None:
            return None
        if asked.has("count") and not asked.flag("sort"):
            return _count(*texts.count(query, asked.flag("text")), asked)
        return _answer(texts.find(query, asked.flag("text"), _wanted(asked)), asked)
    except DamagedText:
        return None


def _wanted(asked: Asked) -> int | None:
    """How many matches are asked for: one more than are shown, to tell whether there are more."""
    return None if asked.flag("sort") else BEST + 1 if _only_best(asked) else asked.limit


def _only_best(asked: Asked) -> bool:
    return asked.limit is None and not (asked.has("count") or asked.flag("sort"))


def _count(count: int, partial: bool, asked: Asked) -> tuple[bytes, int]:
    from .find import NOT_FOUND

    count = count if asked.limit is None else min(count, asked.limit)
    if partial:
        os.write(STDERR, f"{_PARTIAL}\n".encode())
    return b"%d\n" % count, NOT_FOUND if asked.has("strict") and not count else 0


def _answer(matches: Matches, asked: Asked) -> tuple[bytes, int] | None:
    from .find import NOT_FOUND, SORT_KEYS

    notes, shown = [_PARTIAL] if matches.partial else [], list(matches)
    if _only_best(asked) and len(shown) > BEST:
        notes.append(MORE)
        del shown[BEST:]
    sort = asked.flag("sort").replace("-", "_")
    if sort not in SORT_KEYS:
        return None
    if sort:
        shown.sort(key=lambda match: SORT_KEYS[sort](match.hit))
    shown = shown[: asked.limit]
    data = _printed(shown, asked)
    if data is not None and notes:
        os.write(STDERR, "".join(f"{note}\n" for note in notes).encode())
    return None if data is None else (data, NOT_FOUND if asked.has("strict") and not shown else 0)


def _printed(shown: list[Match], asked: Asked) -> bytes | None:
    from .find import lines
    from .places import directories

    on_terminal = os.isatty(STDOUT)
    if asked.has("count"):
        return b"%d\n" % len(shown)
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
