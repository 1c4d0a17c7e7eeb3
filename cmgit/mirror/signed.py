"""Whether what the branches and tags of a repository name is signed by somebody who may.

Of a commit, what is signed is the object without its header ``gpgsig``; of an annotated tag what is
before the signature at its end. A signature of the commit at the tip of a branch holds for all
before it, by the hashes; who wants each of these commits signed by itself says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from ..errors import Untrusted, UsageError
from ..index.record import digest
from ..store.git import GitRepository
from ..store.objects import ObjectID, is_id
from .signatures import Signers

TIPS, ALL = "tips", "all"
NAMESPACE = "git"
SHOWN = 5  # problems that are told
_PLACES = ("refs/heads/", "refs/tags/")
_BEGIN = re.compile(
    rb"^-----BEGIN (?:PGP SIGNATURE|PGP MESSAGE|SSH SIGNATURE|SIGNED MESSAGE)-----", re.MULTILINE
)
_TIME = re.compile(rb"^(?:committer|tagger) .*> (\d{1,11}) [+-]\d{4}$", re.MULTILINE)


def parse_what(text: str) -> str:
    """What has to be signed: ``tips``, ``all``, or (the full id of) a commit, for all commits that
    it does not reach. Raises UsageError."""
    if text in (TIPS, ALL) or is_id(text):
        return text
    raise UsageError(f"{text!r} cannot be signed", f"say {TIPS}, {ALL}, or the full id of a commit")


@dataclass(frozen=True)
class Policy:
    """What has to be signed, and the file with those who may."""

    what: str
    signers: str
    stamp: str = field(default="", compare=False)

    @classmethod
    def read(cls, what: str, signers: str) -> Policy:
        """With a stamp, which is another one when the file is. Raises UsageError."""
        try:
            with open(signers, "rb") as file:
                return cls(what, signers, digest(what.encode() + b"\0" + file.read()))
        except OSError:
            raise UsageError(f"{signers} is missing: nobody is allowed to sign") from None


def check_signed(
    git: GitRepository,
    refs: Mapping[str, ObjectID],
    policy: Policy,
    known: Mapping[str, ObjectID] = {},
) -> None:
    """Raise Untrusted when not all is signed; refs that are the same in ``known`` are."""
    found = list(islice(problems(git, refs, policy, known), 2))
    if found:
        raise Untrusted(found[0] + ("; and there is more" if found[1:] else ""))


def problems(
    git: GitRepository,
    refs: Mapping[str, ObjectID],
    policy: Policy,
    known: Mapping[str, ObjectID] = {},
) -> Iterator[str]:
    """What is not signed as it has to be, one after the other, by name."""
    new = {
        name: oid
        for name, oid in sorted(refs.items())
        if name.startswith(_PLACES) and known.get(name) != oid
    }
    if not new:
        return
    with Signers(policy.signers) as signers:
        wrong = {oid: _wrong(git, oid, signers) for oid in set(new.values())}
        for name, oid in new.items():
            problem = wrong[oid] or _other_name(git, name, oid)
            if problem:
                yield f"{name} ({oid[:12]}): {problem}"
        if policy.what != TIPS:
            yield from _before(git, new, policy, known, signers)


def _before(
    git: GitRepository,
    new: Mapping[str, ObjectID],
    policy: Policy,
    known: Mapping[str, ObjectID],
    signers: Signers,
) -> Iterator[str]:
    """The same of each commit before those that refs name."""
    after = [ObjectID(policy.what)] if policy.what != ALL else []
    if [oid for oid in after if oid not in git.objects]:
        yield f"commit {policy.what}, after which all have to be signed, is not there"
        return
    checked = set(_commits(git, [*after, *known.values()])) | set(new.values())
    for oid in _commits(git, new.values()):
        if oid not in checked and (problem := _wrong(git, oid, signers)):
            yield f"commit {oid[:12]}: {problem}"


def _commits(git: GitRepository, starts: Iterable[ObjectID]) -> Iterator[ObjectID]:
    peeled = {git.peel(oid) for oid in starts if oid in git.objects}
    return (commit.oid for commit in git.commits(*(oid for oid in peeled if oid)))


def _wrong(git: GitRepository, oid: ObjectID, signers: Signers) -> str:
    """What is wrong with the signature of an object, or nothing."""
    kind, data = git.objects.read(oid)
    if kind not in ("commit", "tag"):
        return f"it is a {kind}, which cannot be signed"
    try:
        payload, signature = split_commit(data) if kind == "commit" else split_tag(data)
        signers.verify(payload, signature, NAMESPACE, _time(payload))
    except Untrusted as error:
        return str(error)
    return ""


def _other_name(git: GitRepository, name: str, oid: ObjectID) -> str:
    """A signed tag holds for its own name: another one could give an old version for a new one."""
    kind, data = git.objects.read(oid)
    if kind != "tag" or not name.startswith("refs/tags/"):
        return ""
    called = re.search(rb"^tag (.*)$", data.partition(b"\n\n")[0], re.MULTILINE)
    own = called[1].decode("utf-8", "surrogateescape") if called else ""
    return "" if name == f"refs/tags/{own}" else f"what was signed is the tag {own!r}"


def _time(payload: bytes) -> int:
    """When a commit or a tag says that it was made."""
    found = _TIME.search(payload.partition(b"\n\n")[0])
    return int(found[1]) if found else 0


# -- what was signed --------------------------------------------------------------------------


def split_commit(data: bytes) -> tuple[bytes, bytes | None]:
    """The bytes of a commit that were signed, and the signature, if there is one.

    Raises Untrusted when there are several.
    """
    return _without_signature(data)


def split_tag(data: bytes) -> tuple[bytes, bytes | None]:
    """The bytes of an annotated tag that were signed, and the signature, if there is one."""
    found = list(_BEGIN.finditer(data))
    start = found[-1].start() if found else len(data)
    return _without_signature(data[:start])[0], data[start:] or None


def _without_signature(data: bytes) -> tuple[bytes, bytes | None]:
    """An object without the headers with signatures, and that of its SHA-1 form."""
    head, empty, message = data.partition(b"\n\n")
    kept: list[bytes] = []
    signatures: list[list[bytes]] = []
    place = kept
    for line in head.split(b"\n"):
        if line.startswith(b"gpgsig "):
            signatures.append(place := [])
            line = line[len(b"gpgsig") :]
        elif line.startswith(b"gpgsig-sha256 "):  # of its form with other ids
            place = []
        elif not line.startswith(b" "):
            place = kept
        place.append(line if place is kept else line[1:])
    if len(signatures) > 1:
        raise Untrusted("it has several signatures")
    signature = b"\n".join([*signatures[0], b""]) if signatures else None
    return b"\n".join(kept) + empty + message, signature
