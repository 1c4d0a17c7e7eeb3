"""Queries: which artifacts are asked for. Pure, and part of the short path of ``find``."""

from __future__ import annotations

from .errors import UsageError
from .names import ANY, Name, parse_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def split_tags(text: str | Iterable[str]) -> list[str]:
    """The tags of a comma list or of a list, stripped, without empty ones and repetitions."""
    items = text.split(",") if isinstance(text, str) else text
    return list(dict.fromkeys(tag for item in items if (tag := str(item).strip())))


class Query:
    """A question to the database; all conditions must hold.

    ``automation``, ``artifact`` and ``repo`` are :class:`~cmgit.names.Name`: empty for any,
    with wildcards in the alias, or a UID that decides. ``tags`` must all be there, none of
    ``no_tags`` may be; tags are compared as they are, case included.
    """

    __slots__ = ("artifact", "automation", "automation_repo", "no_tags", "repo", "tags")

    def __init__(
        self,
        automation: Name = ANY,
        artifact: Name = ANY,
        repo: Name = ANY,
        tags: Iterable[str] = (),
        no_tags: Iterable[str] = (),
        automation_repo: Name = ANY,
    ) -> None:
        self.automation = automation
        self.artifact = artifact
        self.repo = repo
        self.tags = frozenset(tags)
        self.no_tags = frozenset(no_tags)
        self.automation_repo = automation_repo  # where the automation itself has to be

    @classmethod
    def parse(
        cls,
        automation: str = "",
        artifact: str = "",
        tags: str | Iterable[str] = (),
        repo: str = "",
    ) -> Query:
        """Read the words of the command line.

        ``automation`` and ``artifact`` may each carry ``repo:``; a ``-`` before a tag means
        that it must not be there. Raises UsageError for names and tags that make no sense.
        """
        automation_repo, automation_name = parse_object(automation)
        in_repo, artifact_name = parse_object(artifact)
        if repo:
            in_repo = parse_object(repo.rstrip(":"))[1]
        try:
            wanted = split_tags(tags)
        except TypeError:
            raise UsageError(f"tags {tags!r} are neither text nor a list") from None
        return cls(
            automation_name,
            artifact_name,
            in_repo,
            [tag for tag in wanted if not tag.startswith("-")],
            [tag[1:] for tag in wanted if tag.startswith("-") and len(tag) > 1],
            automation_repo,
        )

    def accepts(
        self, alias: str, uid: str, automation_alias: str, automation_uid: str, tags: Iterable[str]
    ) -> bool:
        """Whether an artifact with these values is asked for, whatever its repository."""
        return (
            self.artifact.accepts(alias, uid)
            and self.automation.accepts(automation_alias, automation_uid)
            and (not self.tags or self.tags.issubset(tags))
            and (not self.no_tags or self.no_tags.isdisjoint(tags))
        )

    def __repr__(self) -> str:
        shown = ", ".join(f"{key}={getattr(self, key)!r}" for key in self.__slots__)
        return f"Query({shown})"
