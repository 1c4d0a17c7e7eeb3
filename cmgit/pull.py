"""Taking in a repository from elsewhere, and bringing one up to date."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from typing import NamedTuple

from .errors import (
    AlreadyExists,
    GitError,
    MetaError,
    NotFound,
    RemoteError,
    UsageError,
)
from .index.record import digest
from .names import Name, check_alias, parse_name
from .registry import BARE, WORKING, Entry
from .repository import Description, Repository
from .store.git import DEFAULT_BRANCH, GitRepository
from .store.locks import process_lock
from .store.mirrored import default_mirror, find_in
from .store.objects import ObjectID
from .store.remote import (
    REMOTE_REFS,
    Fetched,
    Source,
    fetch,
    package_directory,
    parse_source,
    snapshot,
)
from .store.transport import network, offline
from .workspace import Workspace

_SNAPSHOTS = "refs/cmgit/snapshots/"


def pull(
    workspace: Workspace,
    name: str = "",
    url: str = "",
    branch: str = "",
    checkout: str = "",
    depth: int | None = None,
    mirror: str = "",
    offline: bool = False,
) -> Entry:
    """Take in a repository as a bare one of the home, or bring one that is there up to date.

    ``name`` alone is that of a known repository, or ``owner@name``, ``package:NAME``, a URL or a
    path. ``branch`` and ``checkout`` (a revision) choose what its head shall be. A ``mirror`` (a
    path or URL, by default ``$CMGIT_MIRROR``) is asked before the source; ``offline`` keeps from
    the network. Raises RemoteError when the other side fails, GitError when there are local
    commits that the other side does not have.
    """
    with network(forbidden=offline):
        return _pull(workspace, name, url, _Wish(branch, checkout, depth, mirror))


class _Wish(NamedTuple):
    """What shall be pulled of a repository, and from where."""

    branch: str
    checkout: str
    depth: int | None
    mirror: str


def _pull(workspace: Workspace, name: str, url: str, wish: _Wish) -> Entry:
    known = workspace.registry.find(_plain_name(name)) if name else []
    if known and not url:
        return _pull_again(workspace, known[0], wish)
    if not name and not url:
        raise UsageError("nothing to pull", "cmgit pull repo NAME --url=URL")
    source = parse_source(url or name)
    given = parse_name(name) if url and name else Name(source.alias)
    same = [e for e in workspace.registry.entries if e.url == source.url]
    if same and (not url or not name or given.accepts(same[0].alias, same[0].uid)):
        return _pull_again(workspace, same[0], wish, source)
    return _pull_new(workspace, source, given, wish)


def _plain_name(name: str) -> Name:
    try:
        return parse_name(name.rstrip(":"))
    except UsageError:
        return Name(name)


def _pull_new(
    workspace: Workspace,
    source: Source,
    given: Name,
    wish: _Wish,
) -> Entry:
    repos = os.path.join(workspace.home, "repos")
    key = digest(source.url.encode())
    temporary = os.path.join(repos, f"tmp-{key}")
    with process_lock(os.path.join(workspace.home, "locks", f"pull-{key}")):
        shutil.rmtree(temporary, ignore_errors=True)  # of a killed process: the lock is ours
        try:
            git = GitRepository.init(temporary, bare=True)
            _bring(workspace, git, source, wish, None)
            description = _described(Repository(git, source.alias), source)
            alias = given.alias or description.alias or source.alias
            uid = given.uid or description.uid or digest(source.url.encode())
            check_alias(alias)
            _remember(git, source)
            git.close()
            path = os.path.join(repos, f"{alias}.git")
            with workspace.registry.change() as registry:
                entry = Entry(0, alias, uid, BARE, path, source.url, wish.branch)
                entry = registry.add(entry)
                known = _put_in_place(temporary, path, source)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    workspace.index()
    return _pull_again(workspace, entry, wish, source) if known else entry


def _put_in_place(temporary: str, path: str, source: Source) -> bool:
    """Move a new clone to its place, unless one of the same source is there already: it was
    unregistered, and may hold commits of its own. True when that one stays."""
    if not os.path.lexists(path):
        os.rename(temporary, path)
        return False
    git = GitRepository.open(path)
    url = git.remote_url()
    git.close()
    if url != source.url:
        raise AlreadyExists(
            f"{path} is there, unregistered, pulled from {url or 'elsewhere'}",
            "move it away, or choose another name",
        )
    return True


def _described(repository: Repository, source: Source) -> Description:
    try:
        return repository.description()
    except NotFound:
        raise MetaError(
            f"{source.url} has no cmr.yaml at its top: it is not a repository of artifacts",
            "choose another --branch, or add a cmr.yaml there with 'cmgit init repo'",
        ) from None


def _remember(git: GitRepository, source: Source) -> None:
    config = git.local_config()
    config.set((b"remote", b"origin"), b"url", source.url.encode())
    config.set((b"remote", b"origin"), b"fetch", b"+refs/heads/*:refs/remotes/origin/*")
    config.write_to_path()


def _pull_again(
    workspace: Workspace,
    entry: Entry,
    wish: _Wish,
    source: Source | None = None,
) -> Entry:
    if entry.kind == WORKING:
        raise _no_pull(entry.alias, entry.path)
    if not entry.url:
        raise UsageError(f"{entry.alias} has no URL to pull from", "give one with --url")
    if _is_mirror(entry):
        from .mirror.fleet import sync_entry

        if any(wish):
            raise UsageError(f"{entry.alias} is a mirror: all of its source, as it is there")
        sync_entry(workspace, entry)
        return entry
    wish = wish._replace(branch=wish.branch or entry.branch)
    with workspace.changing(entry) as repository:
        if repository.working:
            raise _no_pull(entry.alias, repository.git.path)
        before = repository.git.head()
        source = source or parse_source(entry.url)
        _bring(workspace, repository.git, source, wish, before.commit)
    if wish.branch != entry.branch:
        with workspace.registry.change() as registry:
            entry = registry.current(entry)._replace(branch=wish.branch)
            registry.update(entry)
        workspace.index()
    return entry


def _is_mirror(entry: Entry) -> bool:
    if not os.path.isdir(entry.path):
        return False
    with closing(GitRepository.open(entry.path)) as git:
        return git.is_mirror


def _no_pull(alias: str, path: str) -> UsageError:
    return UsageError(
        f"{alias} is a working repository ({path})",
        "use 'git pull' there: cmgit leaves your branches alone",
    )


class _Offer(NamedTuple):
    """What the other side has: the branch to follow, its commit, and all that it has or had."""

    ref: str
    commit: ObjectID
    seen: list[ObjectID]
    mirrored: bool = False


def _bring(
    workspace: Workspace,
    git: GitRepository,
    source: Source,
    wish: _Wish,
    before: ObjectID | None,
) -> None:
    """Fetch, and point the head to what is wanted, unless that would lose commits made here."""
    if source.package:
        if wish.branch or wish.depth:
            raise UsageError("a Python package has no branches and no depth")
        offer = _offer_of_package(git, source)
    else:
        offer = _offer_of_remote(workspace, git, source, wish)
    wanted = git.resolve_fetched(wish.checkout) if wish.checkout else offer.commit
    commit = git.read_commit(wanted).oid
    if before is not None and offer.mirrored and _is_behind(git, offer, wish, before):
        return
    if before is not None and not git.reaches(offer.seen, before):
        if not wish.checkout and git.reaches([before], commit):
            return  # commits made here, on top of all that is there
        raise GitError(
            f"{source.url}: commits were made here that are not there; nothing was moved",
            f"'cmgit checkout repo' makes a working repository; merge {commit[:12]} there",
        )
    git.point_head(offer.ref, commit)


def _is_behind(git: GitRepository, offer: _Offer, wish: _Wish, before: ObjectID) -> bool:
    """Whether a mirror has no more of the branch than what was pulled before."""
    same = not wish.checkout and git.head().ref == offer.ref
    return same and git.reaches([before], offer.commit)


def _offer_of_package(git: GitRepository, source: Source) -> _Offer:
    directory = package_directory(source.package)
    commit = snapshot(git, directory, f"package {source.package}\n")
    git.set_ref(_SNAPSHOTS + commit, commit)
    seen = [oid for name, oid in git.refs().items() if name.startswith(_SNAPSHOTS)]
    return _Offer(f"refs/heads/{DEFAULT_BRANCH}", commit, seen)


def _offer_of_remote(
    workspace: Workspace, git: GitRepository, source: Source, wish: _Wish
) -> _Offer:
    """What the mirror offers, if there is one and it has what is wanted; else what the source
    does."""
    mirror = wish.mirror or default_mirror()
    if mirror:
        try:
            offer = _offer_from(workspace, git, find_in(mirror, source), wish)
            if wish.checkout:
                git.resolve_fetched(wish.checkout)
            return offer._replace(mirrored=True)
        except (GitError, NotFound) as error:  # a mirror may be damaged, too
            if offline() and not source.path:
                raise RemoteError(
                    f"{error}; cmgit is offline, and does not ask {source.url}", error.hint
                ) from None
            workspace.report(f"warning: {error}; going on with {source.url}")
    return _offer_from(workspace, git, source, wish)


def _offer_from(workspace: Workspace, git: GitRepository, place: Source, wish: _Wish) -> _Offer:
    old = [oid for name, oid in git.refs().items() if name.startswith(REMOTE_REFS)]
    fetched = fetch(git, place, wish.depth, workspace.report)
    ref = _branch(fetched, place, wish.branch)
    return _Offer(ref, fetched.refs[ref], [*old, *fetched.refs.values()])


def _branch(fetched: Fetched, source: Source, branch: str) -> str:
    if not any(name.startswith("refs/heads/") for name in fetched.refs):
        raise NotFound(f"{source.url} is empty: it has no branch", "commit something there first")
    ref = f"refs/heads/{branch}" if branch else fetched.default
    if ref not in fetched.refs:
        names = ", ".join(sorted(n[11:] for n in fetched.refs if n.startswith("refs/heads/")))
        raise NotFound(f"{source.url} has no branch {branch or ref!r}", f"it has: {names}"[:200])
    return ref
