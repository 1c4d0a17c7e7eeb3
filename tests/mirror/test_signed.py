"""Whether what branches and tags name is signed; by the real Git, with real keys."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cmgit.errors import CmgitError, MetaError, Untrusted, UsageError
from cmgit.mirror.signatures import Signers
from cmgit.mirror.signed import ALL, TIPS, Policy, parse_what, problems, split_commit, split_tag
from cmgit.mirror.sources import Mirrors, new_mirror
from cmgit.mirror.verify import verify_mirror
from cmgit.pull import pull
from cmgit.store.git import GitRepository
from cmgit.workspace import Workspace
from tests.conftest import run_git

from .keys import Gpg, gpg, make_key, needs_ssh, sign_no_more, sign_with
from .origins import Origins, bare, refs, states, synced
from .world import World

__all__ = ["gpg"]
pytestmark = needs_ssh


@pytest.fixture
def origins(tmp_path: Path) -> Origins:
    """Where what is mirrored comes from."""
    return Origins(tmp_path / "origins")


@pytest.fixture
def ann(tmp_path: Path, workspace: Workspace) -> Path:
    """The key of somebody who may sign what this home mirrors."""
    key, line = make_key(tmp_path, "ann")
    Path(workspace.home, "allowed_signers").write_text(line)
    return key


@pytest.fixture
def origin(origins: Origins, ann: Path) -> Path:
    """A repository whose tips are signed; its first commit is not."""
    path = origins.make("one")
    sign_with(path, ann)
    run_git(path, "tag", "-f", "-m", "one", "v1")
    origins.commit("one", {"file": "signed"})
    run_git(path, "branch", "-f", "side", "main")
    return path


def found(place: Path, signers: str | Path, what: str = TIPS) -> list[str]:
    """What is not signed in a repository."""
    git = GitRepository.open(str(place))
    try:
        return list(problems(git, git.refs(), Policy.read(what, str(signers))))
    finally:
        git.close()


def demand(workspace: Workspace, origin: Path, signed: str = TIPS, signers: str = "") -> None:
    """Mirror what has to be signed."""
    with Mirrors(workspace.home).change() as mirrors:
        mirrors.add(new_mirror(str(origin), "", False, signed, signers))


# -- what was signed --------------------------------------------------------------------------


def test_the_payload_is_that_of_git(origin: Path, ann: Path) -> None:
    """A merge of a signed tag (``mergetag``), one with a signature of its SHA-256 form."""
    run_git(origin, "switch", "-q", "-c", "work", "main~1")
    run_git(origin, "commit", "-q", "--allow-empty", "-m", "work")
    run_git(origin, "tag", "-m", "to merge", "v2")
    run_git(origin, "switch", "-q", "main")
    run_git(origin, "merge", "-q", "--no-ff", "-m", "merge", "v2")
    data = run_git(origin, "cat-file", "commit", "main").encode()
    payload, signature = split_commit(data)
    assert b"mergetag object" in payload
    assert b" -----BEGIN SSH SIGNATURE-----" in payload
    assert signature is not None
    assert signature.startswith(b"-----BEGIN SSH SIGNATURE-----\n")
    assert b"gpgsig" not in payload
    head, rest = data.split(b"gpgsig ", 1)
    both = head + b"gpgsig-sha256 other\n more\ngpgsig " + rest
    assert split_commit(both) == (payload, signature)
    assert split_commit(payload) == (payload, None)
    other = head + b"gpgsig-other was not signed\ngpgsig " + rest
    assert split_commit(other)[0] == head + b"gpgsig-other was not signed\n" + payload[len(head) :]
    twice = head + b"gpgsig x\n y\ngpgsig " + rest
    with pytest.raises(Untrusted, match="several signatures"):
        split_commit(twice)


def test_the_end_of_a_tag(origin: Path) -> None:
    """The last signature is the signature, whatever the message quotes."""
    quoted = "-----BEGIN SSH SIGNATURE-----\nquoted\n-----END SSH SIGNATURE-----\n"
    run_git(origin, "tag", "-m", f"see\n\n{quoted}\nend", "v3")
    data = run_git(origin, "cat-file", "tag", "v3").encode()
    payload, signature = split_tag(data)
    assert payload.endswith(b"quoted\n-----END SSH SIGNATURE-----\n\nend\n")
    assert signature is not None
    assert payload + signature == data
    assert split_tag(payload.replace(b"-----BEGIN", b"")) == (
        payload.replace(b"-----BEGIN", b""), None)  # fmt: skip


# -- each kind of wrong -----------------------------------------------------------------------


def test_signed_tips(workspace: Workspace, origin: Path, origins: Origins, ann: Path) -> None:
    """What is before them may be unsigned; an unsigned branch or tag is named; others are not
    looked at."""
    signers = Path(workspace.home, "allowed_signers")
    assert found(origin, signers) == []
    sign_no_more(origin)
    run_git(origin, "tag", "light", "main")
    run_git(origin, "update-ref", "refs/pull/1/head", "main~1")
    assert found(origin, signers) == []
    run_git(origin, "tag", "-a", "-m", "no", "plain")
    commit = origins.commit("one", {"file": "unsigned"})
    blob = run_git(origin, "hash-object", "-w", "file").strip()
    run_git(origin, "update-ref", "refs/tags/blob", blob)
    assert found(origin, signers) == [
        f"refs/heads/main ({commit[:12]}): it is not signed, and a signature is required",
        f"refs/tags/blob ({blob[:12]}): it is a blob, which cannot be signed",
        f"refs/tags/plain ({run_git(origin, 'rev-parse', 'plain')[:12]}): it is not signed, and a "
        "signature is required",
    ]


def test_a_wrong_signer_and_a_changed_commit(
    workspace: Workspace, origin: Path, origins: Origins, tmp_path: Path
) -> None:
    """Somebody else's key; a signature that was for another commit, or for a file."""
    signers = Path(workspace.home, "allowed_signers")
    eve, line = make_key(tmp_path, "eve")
    good = run_git(origin, "cat-file", "commit", "main")
    sign_with(origin, eve)
    origins.commit("one", {"file": "by eve"})
    assert [line.split(": ", 1)[1] for line in found(origin, signers)] == [
        f"its signer is nobody that {signers} allows"]  # fmt: skip
    write = ("hash-object", "-t", "commit", "-w", "--stdin")
    changed = run_git(origin, *write, input=good.replace("write file", "write evil")).strip()
    run_git(origin, "update-ref", "refs/heads/main", changed)
    assert "its signature is not right" in found(origin, signers)[0]
    signers.write_text(signers.read_text().replace(" ssh", ' namespaces="file" ssh') + line)
    assert "refs/heads/side" in " ".join(found(origin, signers))


def test_a_tag_under_another_name(workspace: Workspace, origin: Path) -> None:
    """A signed old version does not pass for a new one."""
    run_git(origin, "update-ref", "refs/tags/v9", "refs/tags/v1")
    (problem,) = found(origin, Path(workspace.home, "allowed_signers"))
    assert problem.endswith("what was signed is the tag 'v1'")
    assert problem.startswith("refs/tags/v9 (")


def test_what_follows_a_signature(workspace: Workspace, origin: Path) -> None:
    """Text behind the signature of a tag was not signed, and is not taken for signed."""
    data = run_git(origin, "cat-file", "tag", "v1") + "and more\n"
    write = ("hash-object", "-t", "tag", "-w", "--literally", "--stdin")
    run_git(origin, "update-ref", "refs/tags/v1", run_git(origin, *write, input=data).strip())
    (problem,) = found(origin, Path(workspace.home, "allowed_signers"))
    assert "what follows its signature was not signed" in problem


def test_all_commits_and_those_after_one(workspace: Workspace, origin: Path) -> None:
    """``all`` finds an unsigned one below a signed tip; a commit is where to begin."""
    signers = Path(workspace.home, "allowed_signers")
    first = run_git(origin, "rev-parse", "main~1").strip()
    assert found(origin, signers, ALL) == [
        f"commit {first[:12]}: it is not signed, and a signature is required"]  # fmt: skip
    assert found(origin, signers, first) == []
    (missing,) = found(origin, signers, "1" * 40)
    assert "is not there" in missing
    for text in ("main", "1" * 39, "none"):
        with pytest.raises(UsageError, match="cannot be signed"):
            parse_what(text)


def test_a_key_that_was_valid_then(
    workspace: Workspace, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The date of a commit decides, as with Git."""
    signers = Path(workspace.home, "allowed_signers")
    line = signers.read_text()
    name, rest = line.split(" ", 1)
    date = "2020-01-01T12:00:00Z"
    run_git(origin, "branch", "-D", "side")
    monkeypatch.setenv("GIT_COMMITTER_DATE", date)
    run_git(origin, "commit", "-q", "--amend", "--no-edit")
    run_git(origin, "tag", "-f", "-m", "one", "v1")
    signers.write_text(f'{name} valid-before="20210101" {rest}')
    assert found(origin, signers) == []
    signers.write_text(f'{name} valid-before="20190101" {rest}')
    assert len(found(origin, signers)) == 2


# -- OpenPGP ----------------------------------------------------------------------------------


def test_openpgp(workspace: Workspace, origin: Path, origins: Origins, gpg: Gpg) -> None:
    """Commits and tags by a key of the file, beside lines of SSH; the user's keyring is nothing."""
    signers = Path(workspace.home, "allowed_signers")
    bob, eve = gpg.make_key("bob"), gpg.make_key("eve")
    sign_with(origin, bob)
    origins.commit("one", {"file": "by bob"})
    run_git(origin, "tag", "-m", "two", "v2")
    problem = "its signer is nobody that"
    assert [problem in line for line in found(origin, signers)] == [True, True]
    ssh = signers.read_text()
    signers.write_text(gpg.public(eve) + ssh)
    assert [problem in line for line in found(origin, signers)] == [True, True]
    signers.write_text(gpg.public(eve) + ssh + gpg.public(bob))
    assert found(origin, signers) == []
    good = run_git(origin, "cat-file", "commit", "main")
    write = ("hash-object", "-t", "commit", "-w", "--stdin")
    changed = run_git(origin, *write, input=good.replace("write file", "write evil")).strip()
    run_git(origin, "update-ref", "refs/heads/main", changed)
    assert "its signature is not right" in found(origin, signers)[0]
    write_signed(origin, gpg, bob, "--textmode")
    assert "its signature is one of text" in found(origin, signers)[0]
    write_signed(origin, gpg, bob)
    assert found(origin, signers) == []
    signers.write_text(ssh + gpg.public(bob).replace("A", "B"))
    with pytest.raises(UsageError, match="OpenPGP keys of the signers cannot be read"):
        found(origin, signers)


def write_signed(origin: Path, gpg: Gpg, key: str, *words: str) -> None:
    """Let gpg sign the commit of ``main`` anew."""
    payload, _ = split_commit(run_git(origin, "cat-file", "commit", "main").encode())
    signed = gpg.run("--armor", "-u", key, *words, "--detach-sign", input=payload.decode())
    head, _, message = payload.decode().partition("\n\n")
    header = "gpgsig " + "\n ".join(signed.splitlines())
    new = f"{head}\n{header}\n\n{message}"
    write = ("hash-object", "-t", "commit", "-w", "--stdin")
    run_git(origin, "update-ref", "refs/heads/main", run_git(origin, *write, input=new).strip())


def test_openpgp_keys_that_are_old_or_revoked(
    workspace: Workspace, origin: Path, origins: Origins, gpg: Gpg
) -> None:
    """What was signed before a key expired is signed; after it was revoked, nothing is."""
    signers = Path(workspace.home, "allowed_signers")
    ssh = signers.read_text()
    past = "--faked-system-time=20200101T120000"
    old = gpg.make_key("old", past, expires="2020-02-01")
    program = origin.parent / "gpg-of-then"
    program.write_text(f'#!/bin/sh\nexec gpg {past} "$@"\n')
    program.chmod(0o755)
    run_git(origin, "config", "gpg.program", str(program))
    sign_with(origin, old)
    origins.commit("one", {"file": "by old"})
    signers.write_text(ssh + gpg.public(old))
    assert found(origin, signers) == []
    payload, signature = split_commit(run_git(origin, "cat-file", "commit", "main").encode())
    with Signers(str(signers)) as allowed, pytest.raises(Untrusted, match="had expired"):
        allowed.verify(payload, signature)
    run_git(origin, "config", "--unset", "gpg.program")
    bob = gpg.make_key("bob")
    sign_with(origin, bob)
    origins.commit("one", {"file": "by bob"})
    signers.write_text(ssh + gpg.public(bob))
    assert found(origin, signers) == []
    certificate = Path(gpg.home, "openpgp-revocs.d", f"{bob}.rev").read_text()
    gpg.run("--import", input=certificate.replace(":-----", "-----"))
    signers.write_text(ssh + gpg.public(bob))
    assert "was revoked" in found(origin, signers)[0]


@pytest.mark.parametrize("with_git", [True, False])
def test_manifests_signed_by_openpgp(
    tmp_path: Path, gpg: Gpg, with_git: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one who may: taken. By another: refused. gpg alone verifies it too."""
    world = World(tmp_path, with_git)
    bob, eve = gpg.make_key("bob"), gpg.make_key("eve")
    signers = tmp_path / "allowed"
    signers.write_text(gpg.public(bob))
    world.add("one")
    by_bob, by_eve = (world.export(key=f"gpg:{key}") for key in (bob, eve))
    gpg.run(
        "--verify", f"{by_bob.directory}/manifest.json.sig", f"{by_bob.directory}/manifest.json"
    )
    with pytest.raises(Untrusted, match=f"{by_eve.directory}: its signer is nobody"):
        world.take(by_eve.directory, signers=str(signers))
    world.take(by_bob.directory, signers=str(signers))
    assert world.same("one")
    with pytest.raises(CmgitError, match="gpg does not sign with nobody"):
        world.export(key="gpg:nobody")
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        with pytest.raises(CmgitError, match="need gpg"):
            world.take(by_bob.directory, signers=str(signers))


# -- mirrors ----------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["", "dulwich"])
def test_a_sync_takes_only_what_is_signed(
    workspace: Workspace, origin: Path, origins: Origins, ann: Path, transport: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """An unsigned commit fails a sync, and no ref moves; signed over, it is taken."""
    monkeypatch.setenv("CMGIT_TRANSPORT", transport)
    demand(workspace, origin)
    assert states(synced(workspace)) == {"one": "new"}
    before = refs(bare(workspace, "one"))
    sign_no_more(origin)
    commit = origins.commit("one", {"file": "unsigned"})
    for _ in range(2):
        outcome = synced(workspace)["one"]
        assert outcome.state == "failed"
        assert f"refs/heads/main ({commit[:12]}): it is not signed" in outcome.error
        assert refs(bare(workspace, "one")) == before
    sign_with(origin, ann)
    run_git(origin, "commit", "-q", "--amend", "--no-edit")
    assert states(synced(workspace)) == {"one": "changed"}
    assert states(synced(workspace)) == {"one": "same"}


@pytest.mark.parametrize("transport", ["", "dulwich", "git"])
def test_the_head_is_a_branch(
    workspace: Workspace, origin: Path, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody signed, elsewhere than in a branch, is not what is shown first."""
    monkeypatch.setenv("CMGIT_TRANSPORT", transport)
    demand(workspace, origin)
    run_git(origin, "update-ref", "refs/pull/1/head", "main~1")
    for state in ("new", "changed"):
        run_git(origin, "symbolic-ref", "HEAD", "refs/pull/1/head")
        assert states(synced(workspace)) == {"one": state}
        assert (bare(workspace, "one") / "HEAD").read_text().startswith("ref: refs/heads/")
        run_git(origin, "update-ref", "refs/pull/2/head", "main~1")


def test_a_new_mirror_that_is_not_signed(workspace: Workspace, origins: Origins, ann: Path) -> None:
    """It does not appear."""
    demand(workspace, origins.make("two", 2))
    assert "it is not signed" in synced(workspace)["two"].error
    assert not bare(workspace, "two").exists()
    assert os.listdir(Path(workspace.home, "repos")) == []


def test_a_demand_that_comes_later(
    workspace: Workspace, origin: Path, origins: Origins, tmp_path: Path
) -> None:
    """What is here already is looked at too: with the next sync, and whenever who may changes."""
    demand(workspace, origin, "")
    assert states(synced(workspace)) == {"one": "new"}
    demand(workspace, origin, ALL)
    assert "it is not signed" in synced(workspace)["one"].error
    demand(workspace, origin, TIPS)
    assert states(synced(workspace)) == {"one": "same"}
    _, line = make_key(tmp_path, "eve")
    Path(workspace.home, "allowed_signers").write_text(line)
    assert "is nobody that" in synced(workspace)["one"].error


def test_pull_and_dependencies_keep_to_it(
    workspace: Workspace, origins: Origins, origin: Path, ann: Path
) -> None:
    """'pull repo' of a mirror asks for signatures as 'sync' does; so does what it depends on."""
    dep = origins.make("dep", 3)
    origins.commit("one", {"cmr.yaml": f"alias: one\nuid: {1:016x}\ndeps:\n- url: {dep}\n"})
    run_git(origin, "branch", "-f", "side", "main")
    with Mirrors(workspace.home).change() as mirrors:
        mirrors.add(new_mirror(str(origin), "", True, TIPS))
    assert states(synced(workspace)) == {"one": "new", "dep": "failed"}
    sign_no_more(origin)
    origins.commit("one", {"file": "unsigned"})
    with pytest.raises(CmgitError, match="it is not signed"):
        pull(workspace, "one")


def test_verify(workspace: Workspace, origin: Path, origins: Origins, ann: Path) -> None:
    """What is not signed any more is a problem, by name."""
    demand(workspace, origin)
    synced(workspace)
    (item,) = Mirrors(workspace.home).items
    assert verify_mirror(workspace.home, item).problems == ()
    place = bare(workspace, "one")
    other = run_git(place, "commit-tree", "-m", "x", "HEAD^{tree}").strip()
    run_git(place, "update-ref", "refs/heads/side", other)
    found = verify_mirror(workspace.home, item).problems
    assert any(f"refs/heads/side ({other[:12]}): it is not signed" in line for line in found)


def test_who_may_sign_is_said_elsewhere(
    workspace: Workspace, origin: Path, tmp_path: Path, ann: Path
) -> None:
    """Not in a mirror; a file that is missing is an error; each mirror may have its own."""
    own = tmp_path / "own"
    demand(workspace, origin, "", str(own))
    assert "nobody is allowed to sign" in synced(workspace)["one"].error
    own.write_text(Path(workspace.home, "allowed_signers").read_text())
    assert states(synced(workspace)) == {"one": "new"}
    inside = bare(workspace, "one") / "allowed"
    inside.write_text(own.read_text())
    demand(workspace, origin, "", str(inside))
    assert "could allow himself" in synced(workspace)["one"].error


def test_the_file_of_mirrors_says_it(workspace: Workspace, tmp_path: Path) -> None:
    """``true`` is tips; what makes no sense is an error; what is read is written."""
    file = Path(workspace.home, "mirrors.yaml")
    file.write_text("mirrors:\n- url: /x/one\n  signed: true\n- url: /x/two\n  signers: s\n")
    items = Mirrors(workspace.home).items
    assert [(item.signed, item.signers) for item in items] == [("tips", ""), ("tips", "s")]
    assert items[1].to_dict() == {"url": "/x/two", "signed": "tips", "signers": "s"}
    file.write_text("mirrors:\n- url: /x/one\n  signed: perhaps\n")
    with pytest.raises(MetaError, match="mirror 1: 'perhaps' cannot be signed"):
        Mirrors(workspace.home)


# -- imports ----------------------------------------------------------------------------------


def test_imports_of_what_is_signed(world: World) -> None:
    """An export and a bundle of Git whose commits have to be signed: taken, and refused by name."""
    ann, line = make_key(world.top, "ann")
    signers = world.top / "allowed"
    signers.write_text(line)
    work = world.add("one")
    bundle = world.top / "x.bundle"
    run_git(work, "bundle", "create", "-q", str(bundle), "--all")
    options = {"signed": TIPS, "signers": str(signers)}
    with pytest.raises(Untrusted, match=r"here: refs/heads/main \(.*\): it is not signed"):
        world.take(bundle, name="here", **options)
    assert [entry.alias for entry in world.there.registry.entries] == ["local"]
    sign_with(work, ann)
    world.commit("one", {"file": "signed"})
    run_git(work, "bundle", "create", "-q", str(bundle), "--all")
    world.take(bundle, name="here", **options)
    run_git(world.arrived("here"), "fsck", "--strict")


def test_imports_of_a_mirror_that_has_to_be_signed(world: World) -> None:
    """What mirrors.yaml of the home that imports demands holds for what comes on a disk."""
    _, line = make_key(world.top, "ann")
    (world.top / "allowed").write_text(line)
    world.add("one")
    world.export()
    with Mirrors(world.there.home).change() as mirrors:
        url = "https://example.org/one"
        mirrors.add(new_mirror(url, "one", False, TIPS, str(world.top / "allowed")))
    with pytest.raises(Untrusted, match="it is not signed"):
        world.take()
