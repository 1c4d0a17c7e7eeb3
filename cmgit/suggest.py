"""What a query that finds nothing may have meant: the alias or tag that is most like a word of it.

The cost is bounded whatever the size of the index. Of the three parts of a word, one is right
where there is one mistake and often where there are two, so that only aliases which have one of
the parts in its place are looked at; and tags only of so many artifacts.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches
from itertools import islice

from .index.lookup import Index
from .names import Name, same_word
from .query import Query

_LOOKED_AT = 20_000  # artifacts
_TRIGRAM = 3  # by so many letters in a row the index finds aliases
_VERY_ALIKE = 0.9
_ALIKE = 0.7  # the least that two words must have in common, as difflib measures it


def suggest(index: Index, query: Query) -> str:
    """A question to the user, or an empty string when there is nothing to ask."""
    name, automation = query.artifact, query.automation
    if name.alias and not name.uid and not name.is_pattern and not _known(index, query):
        close = _alias_like(index, automation, name.alias)
        if close:
            return f"did you mean {close!r}?"
    known = _tags(index) if query.tags else set()
    for tag in sorted(query.tags - known):
        close = closest(tag, known)
        if close and not index.find(Query(tags=[tag])):
            return f"did you mean the tag {close!r}?"
    return ""


def _known(index: Index, query: Query) -> bool:
    """Whether something goes by the name, whatever its tags and its repository."""
    return bool(index.find(Query(query.automation, query.artifact)))


def _alias_like(index: Index, automation: Name, word: str) -> str:
    """The alias of an automation that is most like a word: one that is very much so ends the
    search, since what is looked for first is rarer than what comes then."""
    aliases: set[str] = set()
    close = ""
    for pattern in patterns(word):
        hits = index.find(Query(automation, Name(pattern)))
        aliases.update(hit.segment.alias(hit.number) for hit in islice(hits, _LOOKED_AT))
        close = closest(word, aliases)
        if close and SequenceMatcher(None, same_word(close), same_word(word)).ratio() > _VERY_ALIKE:
            break
    return close


def patterns(word: str) -> list[str]:
    """What an alias is like that has a part of a word where it is there, or the whole somewhere,
    or its longest part at ``-``. None has so few letters that the index would have to look at
    every alias."""
    word = word.replace("*", "").replace("?", "")
    size = max(_TRIGRAM, len(word) // 3)
    middle = max(0, (len(word) - size) // 2)
    part = max(word.replace("_", "-").split("-"), key=len)
    inside = [word, word[middle : middle + size], part]
    found = [f"*{text}*" for text in inside if len(text) >= _TRIGRAM]
    if len(word) >= _TRIGRAM:
        found.insert(1, f"*{word[-size:]}")
    return [*dict.fromkeys([*found, f"{word[: max(1, len(word) // 3)]}*"])] if word else []


def _tags(index: Index) -> set[str]:
    return {tag for _, record in islice(index.records(), _LOOKED_AT) for tag in record["tags"]}


def closest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like a word, or an empty string. Case does not matter, and
    neither does the order of parts; words that contain it come last, the shortest of them."""
    wanted = same_word(word)
    folded = {same_word(other): other for other in known}
    if wanted in folded:
        return folded[wanted]
    slack = max(1, len(wanted) // 4)
    near = [other for other in folded if abs(len(other) - len(wanted)) <= slack]
    same = [other for other in near if _parts(other) == _parts(wanted)]
    close = same or get_close_matches(wanted, near, 1, _ALIKE)
    if not close and len(wanted) > 2:
        close = sorted((o for o in folded if wanted in o), key=lambda other: (len(other), other))
    return folded[close[0]] if close else ""


def _parts(word: str) -> list[str]:
    return sorted(word.replace("_", "-").split("-"))
