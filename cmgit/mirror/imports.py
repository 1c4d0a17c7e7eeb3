"""``mirror import``: what exports and bundles hold becomes repositories of the home.

First everything is checked, repository by repository, in a quarantine: every byte, every object,
what refers to what. Only when nothing is wrong with any do refs move, those of one repository
under its lock. Killed in between, the next import goes on: what has been imported is known by its
record in the repository's Git directory (``cmgit/imports.json``).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from itertools import islice
from typing import NamedTuple

from ..errors import AlreadyExists, CmgitError, Damaged, GitError, Untrusted, UsageError
from ..names import check_alias, parse_name, same_word
from ..registry import BARE, Entry
from ..store.git import GitRepository
from ..store.git_program import find_git
from ..store.locks import process_lock
from ..workspace import Workspace
from .incoming import Incoming, Source, Staged, accept, recorded_uid, stage
from .large import take_large
from .manifest import (
    Export,
    Failed,
    Held,
    age_of,
    find_exports,
    in_order,
    read_export,
)
from .signatures import Signers, check_outside
from .signed import Policy
from .sources import SIGNERS, Mirrors
from .steps import CHECKING, JOBS, Meter, Step, Tell, in_parallel, silent

_KEY = "import"  # of the lock, and of the directory, which 'cmgit check' sweeps by it
_DAY = 86400
_SKEW = 60  # seconds that clocks may differ
_AT_ONCE = 100  # repositories whose locks are held together


class Options(NamedTuple):
    """How to import: ``signers`` is the file of those who may sign, when a signature is required
    (if empty, ``allowed_signers`` in the home, when that is there);
    ``signed`` what of the repositories has to be signed too (see :mod:`.signed`);
    ``max_age`` how many seconds old the latest export may be; ``name`` that of a bundle's repository;
    by so many ``jobs``, with git or (empty) without."""

    signers: str = ""
    max_age: float | None = None
    name: str = ""
    signed: str = ""
    jobs: int = JOBS
    program: str = ""


class Imported(NamedTuple):
    """The repositories that were imported, and those that the latest export should have, and has
    not."""

    entries: tuple[Entry, ...]
    absent: tuple[Failed, ...]


def import_all(
    workspace: Workspace,
    places: Sequence[str],
    options: Options | None = None,
    tell: Tell = silent,
) -> Imported:
    """Import exports, directories of exports and bundles (files) into the home.

    The refs become those of the latest export; what they replace stays under
    ``refs/cmgit/kept/``. Raises NotFound for what is missing, Damaged, Untrusted, GitError for
    what cannot be; then nothing was changed.
    """
    options = options or Options(program=find_git())
    own = os.path.join(workspace.home, SIGNERS)
    if not options.signers and os.path.exists(own):
        options = options._replace(signers=own)
    bundles = [place for place in places if os.path.isfile(place)]
    found = [path for place in places if place not in bundles for path in find_exports(place)]
    exports = in_order(map(read_export, found))
    _check_exports(workspace, exports, options)
    with _quarantine(workspace) as root:
        incoming = _of_exports(workspace, exports)
        incoming += [_of_bundle(workspace, path, options) for path in bundles]
        incoming = _with_policies(workspace, incoming, options)
        staged = _stage_all(root, workspace, incoming, options, tell)
        take_large(exports, workspace.large.objects)
        entries = _accept_all(workspace, staged, options, tell)
    return Imported(tuple(entries), exports[-1].manifest.failed if exports else ())


# -- whole exports ----------------------------------------------------------------------------


def _check_exports(workspace: Workspace, exports: Sequence[Export], options: Options) -> None:
    for export in exports:
        if not export.manifest.repositories:
            raise Damaged(f"{export.directory} is empty: there is no repository in it")
    if options.signers and exports:
        inside = [*_inside(workspace), *(export.directory for export in exports)]
        with Signers(check_outside(options.signers, inside)) as signers:
            for export in exports:
                _check_signature(export, signers)
    if exports and options.max_age is not None:
        age = age_of(exports[-1].manifest.stamp, datetime.now(timezone.utc))
        if age > options.max_age:
            raise Untrusted(
                f"{exports[-1].directory} is stale: it was made {age / _DAY:.1f} days ago",
                f"bring a later one, or allow it with --max-age={int(age / _DAY) + 1}d",
            )
        if age < -_SKEW:
            raise Untrusted(f"{exports[-1].directory} was made in the future: a clock is wrong")


def _inside(workspace: Workspace) -> list[str]:
    """Where what is mirrored is."""
    places = [entry.path for entry in workspace.registry.entries]
    return [os.path.join(workspace.home, "repos"), *places]


def _check_signature(export: Export, signers: Signers) -> None:
    try:
        signers.verify(export.data, export.signature)
    except Untrusted as error:
        raise Untrusted(f"{export.directory}: {error}", error.hint) from None


@contextmanager
def _quarantine(workspace: Workspace) -> Iterator[str]:
    """A new directory of ours alone; what a killed import left goes. Its git may still be ending,
    so that the name is another one each time."""
    top = os.path.join(workspace.home, "repos", f"tmp-{_KEY}")
    with process_lock(os.path.join(workspace.home, "locks", f"pull-{_KEY}")):
        shutil.rmtree(top, ignore_errors=True)
        os.makedirs(top, exist_ok=True)
        try:
            yield tempfile.mkdtemp(dir=top)
        finally:
            shutil.rmtree(top, ignore_errors=True)


# -- what comes -------------------------------------------------------------------------------


def _of_exports(workspace: Workspace, exports: Sequence[Export]) -> list[Incoming]:
    """One for each repository, with the exports that it is in, in order."""
    sources: dict[str, list[Source]] = {}
    for export in exports:
        for held in export.manifest.repositories:
            source = Source(held, export.directory, export.manifest.stamp, export.manifest.since)
            sources.setdefault(held.uid, []).append(source)
    _register_left(workspace, [found[-1].held for found in sources.values()])
    known = {entry.uid: entry for entry in workspace.registry.entries}
    return [Incoming(tuple(found), known.get(uid)) for uid, found in sources.items()]


def _of_bundle(workspace: Workspace, path: str, options: Options) -> Incoming:
    if options.signers and not options.signed:
        raise Untrusted(
            f"{path}: a bundle has no signature",
            "import an export of cmgit, or with --signed=tips what has signed commits",
        )
    if not options.name:
        raise UsageError(f"{path} does not say what it is called", "say it with --name=NAME")
    name = parse_name(options.name)
    found = workspace.registry.find(name)
    if len(found) > 1:
        raise UsageError(f"{options.name!r} names several repositories")
    entry = found[0] if found else None
    alias, uid = (entry.alias, entry.uid) if entry else (check_alias(name.alias), name.uid)
    held = Held(alias, uid, entry.url if entry else "", "", "", {})
    return Incoming((Source(held, path),), entry)


def _with_policies(
    workspace: Workspace, incoming: Sequence[Incoming], options: Options
) -> list[Incoming]:
    """The same, with what has to be signed: that of the options, or that of the mirror with the
    URL."""
    inside = _inside(workspace)
    if options.signed:
        signers = options.signers or os.path.join(workspace.home, SIGNERS)
        asked = Policy.read(options.signed, check_outside(signers, inside))
        return [item._replace(policy=asked) for item in incoming]
    mirrors = {mirror.url: mirror for mirror in Mirrors(workspace.home).items if mirror.signed}
    urls = [item.entry.url if item.entry else item.held.url for item in incoming]
    return [
        item._replace(policy=mirrors[url].policy(workspace.home, inside))
        if url in mirrors
        else item
        for item, url in zip(incoming, urls, strict=True)
    ]


def _register_left(workspace: Workspace, wanted: Sequence[Held]) -> None:
    """Register what is in place and not known: a killed import got that far with it."""
    registered = {entry.uid for entry in workspace.registry.entries}
    left = [held for held in wanted if held.uid not in registered and _is_left(workspace, held)]
    if left:
        with workspace.registry.change() as registry:
            for held in left:
                registry.add(_entry(workspace, held))
        workspace.index()


def _is_left(workspace: Workspace, held: Held) -> bool:
    path = _entry(workspace, held).path
    try:
        git = GitRepository.open(path)
    except CmgitError:
        return False
    with closing(git):
        return held.uid == recorded_uid(git) or (bool(held.url) and git.remote_url() == held.url)


def _entry(workspace: Workspace, held: Held) -> Entry:
    path = os.path.join(workspace.home, "repos", f"{held.alias}.git")
    return Entry(0, held.alias, held.uid, BARE, path, held.url, held.branch)


# -- checking ---------------------------------------------------------------------------------


def _stage_all(
    root: str, workspace: Workspace, incoming: Sequence[Incoming], options: Options, tell: Tell
) -> list[Staged]:
    """All of them, looked through; raises GitError when something is wrong with one."""
    taken = {same_word(entry.alias): entry for entry in workspace.registry.entries}

    def work(number: int) -> tuple[Staged | CmgitError, Step]:
        item = incoming[number]
        alias = item.held.alias
        try:
            if item.entry is None:
                _check_free(_entry(workspace, item.held), taken.get(same_word(alias)))
            total = sum(source.held.size for source in item.sources)
            meter = Meter(tell, alias, CHECKING, total)
            place = os.path.join(root, f"{number}.git")
            staged = stage(item, place, options.program, meter.add)
        except CmgitError as error:
            return error, Step(alias, "refused", problem=str(error))
        state = "checked" if staged.sources else "already here"
        return staged, Step(alias, state, staged.objects, staged.bytes)

    def tell_some(step: Step) -> None:
        if len(incoming) > 1 or step.state != "refused":  # else the error says it all
            tell(step)

    results = in_parallel(range(len(incoming)), work, options.jobs, tell_some)
    wrong = {
        item.held.alias: result
        for item, result in zip(incoming, results, strict=True)
        if isinstance(result, CmgitError)
    }
    if wrong:
        raise _refusal(wrong, len(incoming))
    return [result for result in results if isinstance(result, Staged)]


def _check_free(entry: Entry, other: Entry | None) -> None:
    if other is not None:
        raise AlreadyExists(
            f"another repository is called {other.alias} here, with the UID {other.uid}",
            f"'cmgit rm repo {other.alias}' unregisters it",
        )
    if os.path.lexists(entry.path):
        raise AlreadyExists(f"{entry.path} is there, unregistered", "move it away")


def _refusal(wrong: Mapping[str, CmgitError], count: int) -> CmgitError:
    alias, error = next(iter(wrong.items()))
    if count == 1:
        return type(error)(f"nothing was imported: {alias}: {error}", error.hint)
    return GitError(
        f"nothing was imported: {len(wrong)} of {count} repositories were refused, such as "
        f"{alias}: {error}",
        error.hint,
    )


# -- accepting --------------------------------------------------------------------------------


def _accept_all(
    workspace: Workspace, staged: Sequence[Staged], options: Options, tell: Tell
) -> list[Entry]:
    new = [item for item in staged if item.entry is None]
    with workspace.registry.change() as registry:
        entries = [item.entry or registry.add(_entry(workspace, item.held)) for item in staged]
        for item, entry in zip(staged, entries, strict=True):
            if item.entry is None:
                os.rename(item.quarantine.path, entry.path)
    for item in new:
        tell(Step(item.held.alias, "imported", item.objects, item.bytes))
    known = iter([item for item in staged if item.entry is not None and item.sources])
    while batch := list(islice(known, _AT_ONCE)):
        _accept_some(workspace, batch, options, tell)
    workspace.index()
    return entries


def _accept_some(
    workspace: Workspace, batch: Sequence[Staged], options: Options, tell: Tell
) -> None:
    date = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    entries = [item.entry for item in batch if item.entry is not None]
    with workspace.changing_all(entries) as opened:
        for item, entry in zip(batch, entries, strict=True):
            repository = opened[entry.number]
            if repository.working:
                raise GitError(f"{entry.alias} became a working repository meanwhile")
            kept = accept(repository.git, item, date, options.program)
            note = f"{len(kept)} refs were replaced and are kept, as {kept[0]}" if kept else ""
            tell(Step(item.held.alias, "imported", item.objects, item.bytes, note))
