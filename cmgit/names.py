"""Names: ``alias``, ``UID``, ``alias,UID``, and ``repo:artifact`` made of them.

Part of the short path of ``find``: imports nothing but the errors.
"""

from __future__ import annotations

from .errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

UID_LENGTH = 16
MAX_ALIAS_BYTES = 200  # leaves room for suffixes within the 255 bytes of common file systems

_HEX = frozenset("0123456789abcdef")
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))]
)
_FORBIDDEN = frozenset('/\\:,*?"<>|')


def is_uid(text: str) -> bool:
    """Whether the text is a UID: 16 hexadecimal digits, in either case."""
    return len(text) == UID_LENGTH and _HEX.issuperset(text.lower())


def new_uid() -> str:
    """A fresh random UID."""
    from os import urandom

    return urandom(UID_LENGTH // 2).hex()


def same_word(text: str) -> str:
    """The form in which aliases are compared: without regard to case."""
    return text.casefold()


def by_word(names: list[str], wanted: Container[str]) -> dict[str, str]:
    """Those of many names that are compared as one of some words, by that word."""
    words = same_word("\0".join(names)).split("\0")  # at once: no name holds a NUL
    return {word: name for word, name in zip(words, names, strict=False) if word in wanted}


class Name:
    """What names an automation, an artifact or a repository: an alias, a UID, or both.

    With a UID present the UID decides, and the alias is a comment.
    """

    __slots__ = ("alias", "uid")

    def __init__(self, alias: str = "", uid: str = "") -> None:
        self.alias = alias
        self.uid = uid

    def __bool__(self) -> bool:
        return bool(self.alias or self.uid)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Name) and (self.alias, self.uid) == (other.alias, other.uid)

    def __hash__(self) -> int:
        return hash((self.alias, self.uid))

    def __repr__(self) -> str:
        return f"Name({str(self)!r})"

    def __str__(self) -> str:
        return ",".join(part for part in (self.alias, self.uid) if part)

    @property
    def is_pattern(self) -> bool:
        """Whether it names many: empty, or an alias with ``*`` or ``?``."""
        return not self.uid and (not self.alias or has_wildcards(self.alias))

    def accepts(self, alias: str, uid: str) -> bool:
        """Whether something with this alias and UID goes by this name."""
        if self.uid:
            return self.uid == uid
        return not self.alias or glob(same_word(self.alias), same_word(alias))


ANY = Name()


def parse_name(text: str) -> Name:
    """Read ``alias``, ``UID``, ``alias,UID`` or ``UID,alias``.

    Raises UsageError for more than one comma and for control characters.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 2:
        raise UsageError(f"more than one ',' in the name {text!r}", "write it as ALIAS,UID")
    if has_controls(text):
        raise UsageError(f"control character in the name {text!r}")
    if len(parts) == 1:
        return Name("", parts[0].lower()) if is_uid(parts[0]) else Name(parts[0])
    first, second = parts
    if is_uid(second):
        return Name(first, second.lower())
    if is_uid(first):
        return Name(second, first.lower())
    raise UsageError(
        f"neither part of the name {text!r} is a UID", "a UID is 16 hexadecimal digits"
    )


def parse_object(text: str) -> tuple[Name, Name]:
    """Read ``[repo:]artifact``; returns ``(repo, artifact)``, each empty where it is not given.

    Raises UsageError for more than one colon.
    """
    repo, colon, artifact = text.rpartition(":")
    if ":" in repo:
        raise UsageError(f"more than one ':' in the name {text!r}", "write it as REPO:ARTIFACT")
    return (parse_name(repo) if colon else ANY, parse_name(artifact))


def has_controls(text: str) -> bool:
    """Whether the text holds control characters, which could play tricks on a terminal."""
    return any(ord(char) < 32 or 127 <= ord(char) < 160 for char in text)


def is_utf8(text: str) -> bool:
    """Whether the text can be written as UTF-8: names of files may hold other bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def has_wildcards(text: str) -> bool:
    """Whether the text is a pattern."""
    return "*" in text or "?" in text


def glob(pattern: str, text: str) -> bool:
    """Match ``*`` (any run) and ``?`` (any one character); everything else stands for itself.

    Linear in practice and never exponential: only the last star is ever retried.
    """
    if "?" not in pattern:
        return _stars(pattern.split("*"), text)
    p = t = 0
    star, mark = -1, 0
    while t < len(text):
        if p < len(pattern) and pattern[p] == "*":
            star, mark = p, t
            p += 1
        elif p < len(pattern) and pattern[p] in ("?", text[t]):
            p += 1
            t += 1
        elif star >= 0:
            mark += 1
            p, t = star + 1, mark
        else:
            return False
    return pattern[p:].strip("*") == ""


def _stars(parts: list[str], text: str) -> bool:
    """Match parts between which anything may be."""
    if len(parts) == 1:
        return parts[0] == text
    first, last = parts[0], parts[-1]
    if not text.startswith(first) or not text.endswith(last):
        return False
    at = len(first)
    for part in parts[1:-1]:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return at <= len(text) - len(last)


def is_temporary(name: str) -> bool:
    """Whether a name beside repositories is that of one in the making: theirs end with ``.git``,
    also that of one whose alias begins so."""
    return name.startswith("tmp-") and not name.endswith(".git")


def alias_problem(alias: str) -> str:
    """Why the alias cannot be the name of a directory on every system, or an empty string."""
    if not alias:
        return "it is empty"
    if has_controls(alias):
        return "it holds a control character"
    for char in alias:
        if char in _FORBIDDEN:
            return f"it holds {char!r}"
    if alias.startswith((".", "-")):
        return f"it starts with {alias[0]!r}"
    if not alias[0].isprintable():  # macOS overlooks some, so that what follows may be ".git"
        return "it starts with an invisible character"
    if alias.casefold() == "git~1":
        return "Windows has it as a name of '.git'"
    if any(char.isspace() for char in alias):
        return "it holds a space, so that it is no single word"
    if alias != alias.strip() or alias.endswith("."):
        return "it starts or ends with a space, or ends with a dot"
    if alias.casefold().split(".")[0] in _RESERVED:
        return "Windows keeps that name for a device"
    return _encoding_problem(alias)


def _encoding_problem(alias: str) -> str:
    try:
        size = len(alias.encode())
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    return f"it is longer than {MAX_ALIAS_BYTES} bytes" if size > MAX_ALIAS_BYTES else ""


def check_alias(alias: str) -> str:
    """Return the alias; raises UsageError when it is not fit for a directory name everywhere."""
    problem = alias_problem(alias)
    if problem:
        shown = alias if len(alias) <= 40 else alias[:37] + "..."
        raise UsageError(
            f"{shown!r} cannot be an alias: {problem}", "use letters, digits, '-', '_' and '.'"
        )
    return alias
