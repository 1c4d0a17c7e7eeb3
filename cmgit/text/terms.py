"""The exact terms of a document: what names it, and by what a query selects it."""

from __future__ import annotations

from ..names import Name, same_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..index.record import Record


def key(number: int, path: str) -> str:
    """What names a document: the number of the repository and the path in it."""
    return f"{number}/{path}"


def filter_terms(number: int, record: Record) -> list[str]:
    """The terms by which a query selects an artifact."""
    automation = Name(record["automation_alias"]), Name("", record["automation_uid"])
    return [
        repository_term(number),
        *(automation_term(name) for name in automation if name),
        *(tag_term(tag) for tag in record["tags"]),
    ]


def repository_term(number: int) -> str:
    """That an artifact is in a repository."""
    return f"r{number}"


def automation_term(name: Name) -> str:
    """That an artifact is of an automation: by the UID, if there is one."""
    return f"A{name.uid}" if name.uid else _unicode(f"a{same_word(name.alias)}")


def tag_term(tag: str) -> str:
    """That an artifact has a tag."""
    return _unicode(f"t{tag}")


def _unicode(text: str) -> str:
    """The same without lone surrogates, which words of a command line may hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
