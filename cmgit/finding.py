"""Finding: what the index of a home answers, kept up to date as it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from .artifact import Artifact
from .errors import (
    AmbiguousError,
    AutomationNotInRepository,
    CmgitError,
    ManyAutomations,
    NotFound,
    UsageError,
)
from .index import roaring
from .index.facets import KINDS, count_by, tags_of
from .index.lookup import BUILT_IN_AUTOMATIONS, Index, check_automation, open_fresh
from .index.pages import DamagedIndex
from .names import ANY, Name
from .query import Query
from .refresh import Mode, refresh

if TYPE_CHECKING:
    from .text.ranked import Ranked

T = TypeVar("T")


class Finder:
    """What finds artifacts in a home: the part of a :class:`~.workspace.Workspace` that asks the
    index.

    ``report`` gets a line of text now and then; ``jobs`` is how many processes may build an index
    at once, see :mod:`.jobs`.
    """

    def __init__(self, home: str, report: Callable[[str], None], jobs: int) -> None:
        self.home = home
        self.report = report
        self.jobs = jobs
        self._index: Index | None = None

    def index(self) -> Index:
        """The index, up to date as of this call."""
        self._index = open_fresh(self.home, roaring) or refresh(
            self.home, self.report, Mode(jobs=self.jobs)
        )
        return self._index

    def ask(self, question: Callable[[Index], T]) -> T:
        """What the index, up to date as of this call, answers; it is built anew when that finds it
        damaged."""
        return self._asked(self.index(), question)

    def _asked(self, index: Index, question: Callable[[Index], T]) -> T:
        try:
            return question(index)
        except DamagedIndex as error:
            self.report(f"warning: the index was damaged and is built anew ({error})")
            self._index = refresh(self.home, self.report, Mode(anew=True, jobs=self.jobs))
            return question(self._index)

    def found(self, query: Query, text: str = "", limit: int | None = None) -> list[Artifact]:
        """What :meth:`~.workspace.Workspace.find` finds now; at most so many."""
        if text:
            return list(self.search(query, text, limit))
        return self.ask(lambda index: self._found(index, query, limit))

    def count(
        self,
        automation: str | Query = "",
        artifact: str = "",
        tags: str | Iterable[str] = (),
        repo: str = "",
    ) -> int:
        """How many artifacts match; the words are those of :meth:`find`, and so are the errors."""
        query = as_query(automation, artifact, tags, repo)
        return self._ask_about(query, lambda index: len(index.find(query)))

    def count_by(
        self,
        kind: str,
        automation: str | Query = "",
        artifact: str = "",
        tags: str | Iterable[str] = (),
        repo: str = "",
        limit: int | None = None,
    ) -> dict[str, int]:
        """How many of them have each ``tag``, are in each ``repo``, or of each ``automation``, by
        the words that name it: the most frequent first, then by name; at most so many.

        Raises UsageError for another kind, and what :meth:`find` raises.
        """
        if kind not in KINDS:
            raise UsageError(f"cannot count by {kind!r}", f"count by one of {', '.join(KINDS)}")
        query = as_query(automation, artifact, tags, repo)
        return dict(self._ask_about(query, lambda index: count_by(index, query, kind, limit)))

    def tags(
        self,
        automation: str | Query = "",
        tags: str | Iterable[str] = (),
        repo: str = "",
        limit: int | None = None,
        own: bool = False,
    ) -> dict[str, int]:
        """The tags by which what matches can be narrowed, with how many have each: the most
        frequent first, then by name. Those that were asked for, which all have, only with ``own``.
        """
        query = as_query(automation, "", tags, repo)
        return dict(self._ask_about(query, lambda index: tags_of(index, query, limit, own)))

    def _ask_about(self, query: Query, question: Callable[[Index], T]) -> T:
        def checked(index: Index) -> T:
            self._check(index, query)
            return question(index)

        return self.ask(checked)

    def search(self, query: Query, text: str, limit: int | None = None) -> list[Ranked]:
        """The artifacts of a query whose alias, tags, name, description or README have all words
        of a text, best first; those that have some, when none has all.

        Raises UsageError for a text without words.
        """
        try:
            from .text.ranked import Ranked
            from .text.update import Updater
        except ModuleNotFoundError as error:
            if error.name != "tantivy":
                raise
            raise CmgitError("text search needs tantivy", "pip install tantivy") from None
        texts = Updater(self.home, self.index, self.report, self.jobs)
        self.check_query(query)
        matches = self.ask(lambda _: texts.find(query, text, limit))
        if matches.partial:
            self.report("warning: no artifact has all of these words; these have some of them")
        return [Ranked.from_match(match) for match in matches]

    def found_after(self, query: Query) -> list[Artifact]:
        """What the index of this process's last change finds: others may have gone on since."""
        assert self._index is not None
        return self._asked(self._index, lambda index: self._found(index, query))

    def _found(self, index: Index, query: Query, limit: int | None = None) -> list[Artifact]:
        self._check(index, query)
        return [Artifact.from_hit(hit) for hit in islice(index.find(query), limit)]

    def check_query(self, query: Query) -> None:
        """Raise AutomationNotFound for a query about an automation nobody knows."""
        self.ask(lambda index: self._check(index, query))

    def _check(self, index: Index, query: Query) -> None:
        if query.automation_repo:
            self._check_automation_repo(index, query)
        check_automation(index, query.automation)

    def _check_automation_repo(self, index: Index, query: Query) -> None:
        name = query.automation
        wanted = Query(
            Name("automation", BUILT_IN_AUTOMATIONS["automation"]), name, query.automation_repo
        )
        if name and not index.find(wanted):
            raise _not_in(query)

    def only(
        self,
        found: list[Artifact],
        automation: str,
        artifact: str = "",
        tags: str | Iterable[str] = (),
    ) -> Artifact:
        """The only one of those found by these words; raises NotFound or AmbiguousError."""
        words = f"{automation} {artifact}".strip()
        if tags:
            words += f" --tags={tags if isinstance(tags, str) else ','.join(map(str, tags))}"
        if not found:
            raise NotFound(
                f"no artifact matches {words!r}", self.suggestion(automation, artifact, tags)
            )
        if len(found) > 1:
            names = "; ".join(artifact.name for artifact in found[:10])
            more = f"; and {len(found) - 10} more" if len(found) > 10 else ""
            raise AmbiguousError(
                f"{len(found)} artifacts match {words!r}: {names}{more}",
                "name one of them, as printed here",
            )
        return found[0]

    def suggestion(
        self, automation: str, artifact: str = "", tags: str | Iterable[str] = ()
    ) -> str:
        """What the user may have meant, when nothing was found."""
        from .suggest import suggest

        if self._index is None:
            return ""
        query = Query.parse(automation, artifact, tags)
        known = automation if automation and not query.automation.is_pattern else "automation"
        return suggest(self._index, query) or f"see 'cmgit find {known}'"

    def warnings(self, repo: Name = ANY) -> list[str]:
        """What could not be read, one line each, as of the last ``find``."""
        return self._index_warnings(repo) if self._index else []

    def _index_warnings(self, repo: Name) -> list[str]:
        assert self._index is not None
        return warnings_of(self._index, repo)

    def automation(self, word: str) -> Name:
        """The alias and UID of the automation that a word names.

        Raises AutomationNotFound, or ManyAutomations when a pattern fits several.
        """
        query = Query.parse(word)
        for alias, uid in BUILT_IN_AUTOMATIONS.items():
            if query.automation and query.automation.accepts(alias, uid):
                return Name(alias, uid)
        return self.ask(lambda index: self._automation(index, word, query))

    def _automation(self, index: Index, word: str, query: Query) -> Name:
        wanted = Query(
            Name("automation", BUILT_IN_AUTOMATIONS["automation"]),
            query.automation,
            query.automation_repo,
        )
        found = {(hit.record["alias"], hit.record["uid"]) for hit in index.find(wanted)}
        if not found:
            check_automation(index, query.automation)
            found = {
                (hit.record["automation_alias"], hit.record["automation_uid"])
                for hit in index.find(Query(query.automation))
            }
        if not found:
            raise _not_in(query)
        if len({uid for _, uid in found}) > 1:
            names = "; ".join(sorted(str(Name(*name)) for name in found))
            raise ManyAutomations(
                f"{word!r} names several automations: {names}", "name one of them, as printed here"
            )
        return Name(*found.pop())


def _not_in(query: Query) -> AutomationNotInRepository:
    name = query.automation
    return AutomationNotInRepository(
        f"automation {str(name)!r} is not in repository {str(query.automation_repo)!r}",
        f"'cmgit find automation {name}' says where it is",
    )


def as_query(automation: str | Query, artifact: str, tags: str | Iterable[str], repo: str) -> Query:
    """The query that words say, or the one that is given in their place."""
    if isinstance(automation, Query):
        return automation
    return Query.parse(automation, artifact, tags, repo)


def warnings_of(index: Index, repo: Name = ANY) -> list[str]:
    """What could not be read in the repositories that a name accepts, one line each."""
    lines = []
    for state in index.manifest.repositories.special:
        if repo.accepts(state.alias, state.uid):
            lines += [state.problem] if state.problem else []
            lines += [text for _, text in state.warnings]
    return lines
