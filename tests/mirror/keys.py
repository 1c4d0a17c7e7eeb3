"""Keys to sign with, of SSH and of OpenPGP."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import run_git

needs_ssh = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen is not here")


def make_key(directory: Path, name: str) -> tuple[Path, str]:
    """An SSH key, and its line in a file of allowed signers."""
    path = directory / name
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)]
    subprocess.run(command, check=True)
    return path, f"{name}@example.org {path.with_suffix('.pub').read_text()}"


class Gpg:
    """A home of gpg, with keys that need no password."""

    def __init__(self, home: str) -> None:
        self.home = home

    def run(self, *words: str, input: str = "") -> str:
        """Run gpg."""
        command = ["gpg", "--homedir", self.home, "--batch", "--no-tty", *words]
        done = subprocess.run(command, input=input, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def make_key(self, name: str, *options: str, expires: str = "never") -> str:
        """A new key; returns its fingerprint."""
        words = ["--passphrase", "", "--quick-gen-key", f"{name} <{name}@example.org>"]
        self.run(*options, *words, "ed25519", "sign", expires)
        lines = self.run("--with-colons", "--list-keys", name).splitlines()
        return next(line.split(":")[9] for line in lines if line.startswith("fpr"))

    def public(self, key: str) -> str:
        """The public key, armored."""
        return self.run("--armor", "--export", key)


@contextmanager
def gpg_home() -> Iterator[Gpg]:
    """An empty home of gpg, with a short path, as its agent needs it."""
    home = tempfile.mkdtemp(prefix="gpg")
    try:
        yield Gpg(home)
    finally:
        environment = {**os.environ, "GNUPGHOME": home}
        subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def gpg(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gpg]:
    """The user's gpg."""
    if not shutil.which("gpg"):
        pytest.skip("gpg is not here")
    with gpg_home() as home:
        monkeypatch.setenv("GNUPGHOME", home.home)
        yield home


def sign_with(place: Path, key: str | Path) -> None:
    """Let Git sign commits and tags in a repository with an SSH key (a path) or one of gpg."""
    run_git(place, "config", "gpg.format", "ssh" if isinstance(key, Path) else "openpgp")
    run_git(place, "config", "user.signingKey", str(key))
    run_git(place, "config", "commit.gpgSign", "true")
    run_git(place, "config", "tag.gpgSign", "true")


def sign_no_more(place: Path) -> None:
    """Let Git sign nothing in a repository."""
    run_git(place, "config", "commit.gpgSign", "false")
    run_git(place, "config", "tag.gpgSign", "false")
