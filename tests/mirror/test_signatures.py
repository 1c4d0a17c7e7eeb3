"""Signatures of manifests: who signed, who may, and where that is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cmgit.errors import CmgitError, Damaged, NotFound, Untrusted, UsageError
from cmgit.mirror.signatures import Signers, sign

from .keys import make_key, needs_ssh
from .world import World, change_manifest

pytestmark = needs_ssh


def test_signed_exports(world: World) -> None:
    """By one who may: taken. By another, by nobody, changed since: refused by name."""
    ann, line = make_key(world.top, "ann")
    eve, _ = make_key(world.top, "eve")
    signers = world.top / "allowed"
    signers.write_text(line)
    world.add("one")
    by_ann, by_eve, unsigned = (world.export(key=k) for k in (str(ann), str(eve), ""))
    with pytest.raises(Untrusted, match=f"{by_eve.directory}: its signer is nobody that"):
        world.take(by_eve.directory, signers=str(signers))
    with pytest.raises(Untrusted, match="it is not signed, and a signature is required"):
        world.take(unsigned.directory, signers=str(signers))
    bundle = world.top / "x.bundle"
    bundle.write_bytes(b"# v2 git bundle\n")
    with pytest.raises(Untrusted, match="a bundle has no signature"):
        world.take(bundle, name="x", signers=str(signers))
    world.take(by_ann.directory, signers=str(signers))
    assert world.same("one")
    change_manifest(by_ann, lambda value: value.update(generator="somebody"))
    with pytest.raises(Untrusted, match="its signature is not right"):
        world.take(by_ann.directory, signers=str(signers))
    os.unlink(Path(by_ann.directory, "manifest.json.sig"))
    with pytest.raises(Damaged, match=r"manifest.json.sig is missing"):
        world.take(by_ann.directory)


def test_the_home_may_require_signatures(world: World) -> None:
    """By a file allowed_signers; nobody has to think of it then."""
    ann, line = make_key(world.top, "ann")
    world.add("one")
    unsigned = world.export()
    Path(world.there.home, "allowed_signers").write_text(line)
    with pytest.raises(Untrusted, match="it is not signed"):
        world.take(unsigned.directory)
    world.take(world.export(key=str(ann)).directory)
    assert world.same("one")


def test_signers_are_kept_elsewhere(world: World) -> None:
    """A file in a repository or in the export could allow anybody."""
    ann, line = make_key(world.top, "ann")
    world.add("one")
    export = world.export(key=str(ann))
    inside = [Path(export.directory, "allowed"), Path(world.there.home, "local", "allowed")]
    for path in inside:
        path.write_text(line)
        with pytest.raises(UsageError, match="could allow himself"):
            world.take(export.directory, signers=str(path))
        path.unlink()
    with pytest.raises(UsageError, match="is missing: nobody is allowed"):
        world.take(export.directory, signers=str(world.top / "none"))


def test_a_signature_for_something_else(tmp_path: Path) -> None:
    """A signature in another namespace, or of a time when the key was not valid, is none."""
    key, line = make_key(tmp_path, "ann")
    file, signers = tmp_path / "file", tmp_path / "allowed"
    file.write_text("text")
    sign(str(file), str(key))
    signers.write_text(line)
    signature = Path(f"{file}.sig").read_bytes()
    with Signers(str(signers)) as allowed:
        assert allowed.verify(b"text", signature) == "ann@example.org"
        with pytest.raises(Untrusted, match="not right"):
            allowed.verify(b"text", signature, namespace="git")
        with pytest.raises(Untrusted, match="neither of SSH nor of OpenPGP"):
            allowed.verify(b"text", signature.replace(b"BEGIN SSH", b"BEGIN X"))
        for more in (b"more", b"more\n-----END SSH SIGNATURE-----\n", signature):
            with pytest.raises(Untrusted, match="what follows its signature"):
                allowed.verify(b"text", signature + more)
        assert allowed.verify(b"text", signature + b"\n\n") == "ann@example.org"
    name, rest = line.split(" ", 1)
    signers.write_text(f'{name} valid-before="20200101" {rest}')
    with Signers(str(signers)) as allowed, pytest.raises(Untrusted):
        allowed.verify(b"text", signature)
    signers.write_text(f'{name} namespaces="git" {rest}')
    with Signers(str(signers)) as allowed, pytest.raises(Untrusted, match=f"right: {signers}:1: "):
        allowed.verify(b"text", signature)


def test_keys_that_do_not_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, something that is none, no program."""
    file = tmp_path / "file"
    file.write_text("text")
    with pytest.raises(NotFound, match="no key to sign with"):
        sign(str(file), str(tmp_path / "none"))
    with pytest.raises(CmgitError, match="ssh-keygen does not sign with"):
        sign(str(file), str(file))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CmgitError, match="signatures need ssh-keygen"):
        sign(str(file), str(file))
