"""What a query returns: a typed view of one artifact."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from .index.lookup import Hit
from .names import Name


@dataclass(frozen=True)
class Artifact:
    """An artifact in a repository.

    ``path`` is its directory in the repository, with ``/``; ``tree`` the id of its tree in
    ``commit``, the head of the repository's branch (or the commit that was asked for). Both are
    empty for what is not committed.
    """

    uid: str
    alias: str
    automation_alias: str
    automation_uid: str
    repo: str
    repo_uid: str
    path: str
    tags: tuple[str, ...]
    tree: str
    commit: str
    number: int = field(repr=False, compare=False)  # the repository's in the registry

    @classmethod
    def from_hit(cls, hit: Hit) -> Artifact:
        """Make one out of what the index found."""
        record, repository = hit.record, hit.repository
        return cls(
            record["uid"],
            record["alias"],
            record["automation_alias"],
            record["automation_uid"],
            repository.alias,
            repository.uid,
            record["path"],
            tuple(record["tags"]),
            record["tree"],
            repository.commit if record["tree"] else "",
            repository.number,
        )

    @property
    def name(self) -> str:
        """``AUTOMATION REPO:ALIAS,UID``: the words that name it to any command."""
        artifact = f"{self.alias},{self.uid}" if self.alias else self.uid
        return f"{self.automation_alias or self.automation_uid} {self.repo}:{artifact}"

    @property
    def cid(self) -> str:
        """CM's identifier: ``automation_alias,automation_uid::alias,uid``."""
        automation = ",".join(filter(None, (self.automation_alias, self.automation_uid)))
        return f"{automation}::{','.join(filter(None, (self.alias, self.uid)))}"

    def facets(self, kind: str) -> tuple[str, ...]:
        """Where it counts: its tags for ``tag``, what names its ``automation`` or its ``repo``."""
        if kind == "tag":
            return self.tags
        names = {
            "automation": Name(self.automation_alias, self.automation_uid),
            "repo": Name(self.repo, self.repo_uid),
        }
        return (str(names[kind]),)

    def to_dict(self) -> dict[str, Any]:
        """The values that ``find --json`` prints: the artifact's own, then its repository's."""
        values = asdict(self)
        del values["number"]
        values["tags"] = list(self.tags)
        for key in ("repo", "repo_uid", "commit"):
            values[key] = values.pop(key)
        return values
