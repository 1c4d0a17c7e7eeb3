"""Completion of names in a shell, from the index; silent whatever goes wrong."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import Any

from ..home import default_home
from ..index.lookup import BUILT_IN_AUTOMATIONS, open_fresh
from ..query import Query

_MANY = 500


def join_words(environ: MutableMapping[str, str]) -> None:
    """Put ``--key=value`` together again where bash, which splits at ``=``, asks to complete it."""
    words, number = environ.get("COMP_WORDS", "").split(), environ.get("COMP_CWORD", "")
    if environ.get("_CMGIT_COMPLETE") != "complete_bash" or not number.isdigit():
        return
    last = words[int(number) :]
    before = words[: int(number)]
    if last == ["="]:  # nothing yet after it
        before, last = [*before, "="], [""]
    if len(before) > 1 and before[-1] == "=" and before[-2].startswith("-"):
        joined = [*before[:-2], f"{before[-2]}={''.join(last)}"]
        environ["COMP_WORDS"], environ["COMP_CWORD"] = " ".join(joined), str(len(joined) - 1)


def _records() -> list[tuple[str, dict[str, Any]]]:
    index = open_fresh(default_home(os.environ))
    if index is None:
        return []
    names = {repo.number: repo.alias for repo in index.manifest.repositories}
    return [(names[number], record) for number, record in index.records()]


def complete_automation(incomplete: str) -> list[str]:
    """Automations that begin so."""
    found = {record["automation_alias"] for _, record in _records()}
    return sorted(a for a in found | set(BUILT_IN_AUTOMATIONS) if a.startswith(incomplete))


def complete_artifact(ctx: Any, incomplete: str) -> list[str]:
    """Aliases of the automation on the command line that begin so, in the repository before ``:``
    if there is one."""
    automation = Query.parse(str(ctx.params.get("automation") or "")).automation
    repo, colon, begin = incomplete.rpartition(":")
    return sorted(
        f"{repo}{colon}{record['alias']}"
        for alias, record in _records()
        if record["alias"].startswith(begin)
        and repo in ("", alias)
        and automation.accepts(record["automation_alias"], record["automation_uid"])
    )[:_MANY]


def complete_tags(incomplete: str) -> list[str]:
    """The list so far with each tag that its last word may become."""
    before, comma, last = incomplete.rpartition(",")
    tags = {tag for _, record in _records() for tag in record["tags"]}
    return sorted(f"{before}{comma}{tag}" for tag in tags if tag.startswith(last))[:_MANY]


def complete_repo(incomplete: str) -> list[str]:
    """Repositories that begin so."""
    index = open_fresh(default_home(os.environ))
    repos = iter(index.manifest.repositories if index else ())
    return sorted(repo.alias for repo in repos if repo.alias.startswith(incomplete))


def complete_mirror(incomplete: str) -> list[str]:
    """Mirrors that begin so."""
    from ..errors import CmgitError
    from ..mirror.sources import Mirrors

    try:
        items = Mirrors(default_home(os.environ)).items
    except CmgitError:
        return []
    return sorted(item.name for item in items if item.name.startswith(incomplete))
