"""A home: its repositories, and what is done with them and their artifacts.

A Workspace is what people use from Python::

    workspace = cmgit.Workspace()
    for artifact in workspace.find("script", tags="detect,os"):
        print(artifact.name, workspace.load(artifact)["alias"])

What only asks the index is in :mod:`.finding`. Changes are in :mod:`.artifacts`, repositories as a
whole in :mod:`.repositories`, the past in :mod:`.history`; their functions take a Workspace.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from .artifact import Artifact
from .errors import CmgitError, MetaError, NotFound, UsageError
from .finding import Finder, as_query
from .home import default_home
from .index.lookup import PENDING
from .index.manifest import DIRECTORY
from .large import LargeFiles
from .meta.files import chosen_files
from .meta.merge import parse_base, resolve
from .meta.parse import Meta, parse_meta
from .meta.write import dump_yaml
from .moves import end, lock_all, under_way
from .names import Name
from .query import Query
from .refresh import Mode, refresh, settle_move
from .registry import LOCAL, WORKING, Entry, Registry
from .repository import Repository
from .store.checkout import checkout
from .store.git import GitRepository
from .store.objects import ObjectID
from .store.trees import lookup


def _silent(line: str) -> None:
    """Report nothing."""


class Workspace(Finder):
    """A home of cmgit: its repositories, their index, its check-outs.

    ``report`` gets a line of text now and then: what takes long, warnings about what cannot be
    read. The home and its repository ``local`` are made when they are not there. ``jobs`` is how
    many processes may build an index at once, see :mod:`.jobs`.
    """

    def __init__(
        self, home: str | None = None, report: Callable[[str], None] = _silent, jobs: int = 1
    ) -> None:
        super().__init__(os.path.abspath(home) if home else default_home(os.environ), report, jobs)
        self.large = LargeFiles(self.home, report)
        try:
            self._create()
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise

    def _create(self) -> None:
        if os.path.exists(os.path.join(self.home, "registry.json")):
            return
        os.makedirs(os.path.join(self.home, PENDING), exist_ok=True)
        local = os.path.join(self.home, "local")
        registry = Registry(self.home)
        with registry.change():
            if registry.find(LOCAL):
                return
            init_working(local, LOCAL)
            registry.add(Entry(0, LOCAL.alias, LOCAL.uid, WORKING, local))

    # -- finding ------------------------------------------------------------------------------

    def find(
        self,
        automation: str | Query = "",
        artifact: str = "",
        tags: str | Iterable[str] = (),
        repo: str = "",
        at: str = "",
        text: str = "",
        limit: int | None = None,
    ) -> list[Artifact]:
        """All artifacts that match, in the order of the repositories and of their directories.

        The words are those of the command line; a Query says the same. ``at`` is a revision or a
        date: the database as it was. With ``text`` they are those that :meth:`search` finds, best
        first. Raises AutomationNotFound for an automation nobody knows.
        """
        query = as_query(automation, artifact, tags, repo)
        if not at:
            return self.found(query, text, limit)
        if text:
            raise UsageError("text is searched as it is now only", "leave out --at or --text")
        return self._found_at(query, at)[:limit]

    def _found_at(self, query: Query, at: str) -> list[Artifact]:
        from .history import index_at

        self.check_query(query)
        with index_at(self, at, query.repo) as index:
            return [Artifact.from_hit(hit) for hit in index.find(query)]

    def one(
        self, automation: str, artifact: str, tags: str | Iterable[str] = (), at: str = ""
    ) -> Artifact:
        """The one artifact that matches; raises NotFound, or AmbiguousError with the candidates."""
        return self.only(self.find(automation, artifact, tags, at=at), automation, artifact, tags)

    # -- repositories -------------------------------------------------------------------------

    @property
    def registry(self) -> Registry:
        """The registered repositories, as of now."""
        return Registry(self.home)

    def entry(self, artifact: Artifact) -> Entry:
        """The registered repository of an artifact; raises NotFound when it was unregistered."""
        found = Entry(artifact.number, artifact.repo, artifact.repo_uid, "", "")
        return self.registry.current(found)

    def repository(self, name: str | Entry) -> Repository:
        """Open a repository by its name; raises NotFound."""
        if isinstance(name, str):
            from .names import parse_name

            name = self.registry.one(parse_name(name))
        return Repository.open(name.path, name.alias)

    @contextmanager
    def locked(self, entries: list[Entry]) -> Iterator[dict[int, Repository]]:
        """Open and lock repositories, by number: where they are when the locks are ours, which is
        elsewhere when another process moved one meanwhile.

        Raises NotFound for one that was unregistered meanwhile.
        """
        with ExitStack() as stack:
            while True:
                now = self._current(entries)
                try:
                    opened = stack.enter_context(lock_all(now))
                except (CmgitError, OSError):
                    if self._current(entries) == now:
                        raise
                    continue
                if self._current(entries) == now:
                    yield opened
                    return
                stack.close()

    def _current(self, entries: list[Entry]) -> list[Entry]:
        registry = self.registry
        return [registry.current(entry) for entry in entries]

    @contextmanager
    def changing(self, entry: Entry) -> Iterator[Repository]:
        """Open a repository for a change, locked, and bring the index up to date afterwards."""
        with self.changing_all([entry]) as opened:
            yield opened[entry.number]

    @contextmanager
    def changing_all(
        self, entries: list[Entry], moving: str = ""
    ) -> Iterator[dict[int, Repository]]:
        """The same for several repositories, by number.

        ``moving`` is the UID of an artifact that is moved from one to the other, see :mod:`.moves`.
        """
        numbers = {entry.number for entry in entries}
        while True:
            with self.locked(entries) as opened:
                left = [move for move in under_way(self.home) if move.numbers & numbers]
                if not left:
                    bare = [number for number, found in opened.items() if not found.working]
                    with self.pending(bare, moving):
                        yield opened
                    return
            for move in left:  # their processes were killed: the locks were free
                settle_move(self.home, move, wait_seconds=-1)

    @contextmanager
    def pending(self, bare: list[int], moving: str = "") -> Iterator[None]:
        """Tell readers not to trust the index about bare repositories while the block runs."""
        markers = [os.path.join(self.home, PENDING, str(number)) for number in bare]
        for marker in markers:
            with open(marker, "wb"):
                pass
        try:
            yield
        finally:
            index = refresh(
                self.home, self.report, Mode(publishing=True, moving=moving, jobs=self.jobs)
            )
            self._index = index
            if index.directory == os.path.join(self.home, DIRECTORY):  # not in memory only
                for marker in markers:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(marker)
                if moving:
                    end(self.home, moving)

    # -- one artifact -------------------------------------------------------------------------

    def original(self, artifact: Artifact, at: str = "") -> Meta:
        """The meta of an artifact as it is in its files; raises MetaError."""
        repository = self.repository(self.entry(artifact))
        commit = ObjectID(artifact.commit) if at else None
        return self._meta(repository, artifact.path, commit)

    def _meta(self, repository: Repository, path: str, commit: ObjectID | None) -> Meta:
        names = chosen_files(set(repository.files(path, commit))) or chosen_files(
            set(self._plain_names(repository, path))
        )
        files = {name: repository.read_file(f"{path}/{name}", commit) for name in names}
        if not files:
            raise MetaError(f"{repository.alias}/{path}:1: the meta file is gone")
        return parse_meta(files, f"{repository.alias}/{path}")

    @staticmethod
    def _plain_names(repository: Repository, path: str) -> list[str]:
        """What is in the directory, though Git may ignore it or a sparse check-out leave it out."""
        return repository.names(path)

    def load(self, artifact: Artifact, at: str = "") -> Meta:
        """The meta of an artifact laid over what it inherits; raises MetaError."""

        def base_of(name: str, child: Meta) -> Meta:
            automation, base = parse_base(name)
            automation = automation or str(
                child.get("automation_uid") or child.get("automation_alias") or ""
            )
            found = self.find(automation, base, at=at)
            found.sort(key=lambda other: other.number != artifact.number)
            if not found:
                raise MetaError(f"{artifact.repo}/{artifact.path}:1: _base {name!r} not found")
            return self.original(found[0], at)

        return resolve(self.original(artifact, at), base_of)

    def directory(self, artifact: Artifact, at: str = "") -> str:
        """A directory with the files of an artifact: its own place in a working repository, else
        a read-only check-out, made now if it is not there."""
        entry = self.entry(artifact)
        place = os.path.join(entry.path, *artifact.path.split("/"))
        if entry.kind == WORKING and not at and os.path.isdir(place):
            return place
        repository = self.repository(entry)
        tree = artifact.tree
        if not tree:
            found = lookup(repository.git.objects, repository.tree(), artifact.path)
            tree = found.oid if found else ""
        try:
            return checkout(
                repository.git.objects,
                tree,
                os.path.join(self.home, "trees"),
                partial(self.large.provide, repository),
            )
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
                raise CmgitError(
                    f"no check-out of {artifact.name}: {self.home} cannot be written",
                    "set CMGIT_HOME to a directory of your own",
                ) from None
            raise

    # -- shorthands ---------------------------------------------------------------------------

    def add(self, automation: str, artifact: str = "", **options: Any) -> Artifact:
        """See :func:`cmgit.artifacts.add`."""
        from .artifacts import add

        return add(self, automation, artifact, **options)

    def pull(self, name: str = "", **options: Any) -> Entry:
        """See :func:`cmgit.pull.pull`."""
        from .pull import pull

        return pull(self, name, **options)


def init_working(path: str, name: Name, desc: str = "", prefix: str = "") -> Repository:
    """Make a directory a working repository: a Git repository with a ``cmr.yaml``, committed."""
    try:
        git = GitRepository.open(path)
    except NotFound:
        git = GitRepository.init(path)
    repository = Repository(git, name.alias)
    description: Meta = {"alias": name.alias, "uid": name.uid}
    if desc:
        description["desc"] = desc
    if prefix:
        description["prefix"] = prefix
    with repository.locked(), repository.change(f"init repo {name}") as change:
        change.write("cmr.yaml", dump_yaml(description))
    return repository
