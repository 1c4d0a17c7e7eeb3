"""Which command lines the short path reads, word by word as the full one does."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_ALIASES = {"search": "find", "ls": "find", "list": "find"}
_NAMES = {"find": 2, "tags": 1, "where": 2, "load": 2}  # so many words at most
_VALUES = {
    "find": ("tags", "repo", "limit", "text", "by", "sort"),
    "tags": ("tags", "repo", "limit"),
    "where": ("tags",),
    "load": ("tags",),
}
_SWITCHES = {
    "find": ("json", "count", "path", "strict", "snippets", "no-snippets"),
    "tags": ("json", "all"),
    "where": (),
    "load": ("original",),
}


class Asked:
    """What a command line asks for."""

    __slots__ = ("_flags", "action", "artifact", "automation", "home", "named")

    def __init__(self, action: str, names: list[str], flags: dict[str, str]) -> None:
        self.action = action
        self.named = bool(names)
        self.automation, self.artifact, *_ = [*names, "", ""]
        self.home = ""
        self._flags = flags

    def flag(self, key: str) -> str:
        """The value of a flag, empty when it is not given."""
        return self._flags.get(key, "")

    def has(self, key: str) -> bool:
        """Whether a flag is given."""
        return key in self._flags

    @property
    def sort(self) -> str:
        """What to sort by, empty for nothing."""
        return self.flag("sort").replace("-", "_")

    @property
    def limit(self) -> int | None:
        """The most that is printed; None for all."""
        return int(self._flags["limit"]) if "limit" in self._flags else None


def parse(words: Sequence[str]) -> Asked | None:
    """Read a command line; None when it is none of the short path."""
    action = _ALIASES.get(words[0], words[0]) if words else ""
    if action not in _NAMES:
        return None
    names: list[str] = []
    flags: dict[str, str] = {}
    for word in words[1:]:
        if word.startswith("@"):
            return None
        if not word.startswith("-"):
            names.append(word)
            continue
        key, equals, value = word.lstrip("-").partition("=")
        if key not in (_VALUES if equals else _SWITCHES)[action]:
            return None
        if key == "limit" and not value.isdecimal():
            return None
        flags[key] = value
    asked = Asked(action, names, flags)
    fits = len(names) <= _NAMES[action] and _complete(asked) and not _here(names, flags)
    return asked if fits else None


def _complete(asked: Asked) -> bool:
    """Whether nothing is missing, and nothing says two things."""
    if asked.has("snippets") and asked.has("no-snippets"):
        return False
    return asked.named or asked.action == "tags" or bool(asked.flag("text") or asked.flag("by"))


def _here(names: list[str], flags: dict[str, str]) -> bool:
    """Whether a word is of the current directory, which only the full command line knows."""
    return any(word.split(":")[0] == "." for word in (*names, flags.get("repo", "")))
