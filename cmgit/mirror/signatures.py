"""Signatures, by ``ssh-keygen`` and ``gpg``, and who may sign.

Who may is said by one file: lines as in an *allowed signers* file of Git (``ssh-keygen(1)``),
``PRINCIPAL[,PRINCIPAL] [OPTIONS] KEYTYPE KEY``, and public keys of OpenPGP as ``gpg --armor
--export`` prints them. It is kept outside of what is mirrored: who could write into a mirror could
else allow himself.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable

from ..errors import CmgitError, NotFound, Untrusted, UsageError
from . import openpgp

NAMESPACE = "cmgit-export"
OPENPGP = "gpg:"  # before the name of a key
_SSH = b"-----BEGIN SSH SIGNATURE-----"
_ONE = re.compile(
    rb"-----BEGIN (SSH|PGP) SIGNATURE-----\r?\n(?:(?!-----).*\n)*-----END \1 SIGNATURE-----\s*"
)
_KEYS = re.compile(
    rb"^-----BEGIN PGP PUBLIC KEY BLOCK-----$.*?^-----END PGP PUBLIC KEY BLOCK-----$",
    re.DOTALL | re.MULTILINE,
)


def sign(path: str, key: str) -> None:
    """Sign a file; writes ``path.sig``. ``key`` is a private SSH key, a public one whose private
    one an agent has, or ``gpg:`` and what names a key of the user's gpg. Raises CmgitError."""
    if key.startswith(OPENPGP):
        openpgp.sign(path, key.removeprefix(OPENPGP))
        return
    key = os.path.expanduser(key)
    if not os.path.isfile(key):
        raise NotFound(f"{key} is missing: no key to sign with", "ssh-keygen -t ed25519")
    done = _run("sign", "-q", "-f", key, "-n", NAMESPACE, path)
    if done.returncode or not os.path.exists(path + ".sig"):
        raise CmgitError(f"ssh-keygen does not sign with {key}: {_said(done)}")


class Signers:
    """Those who may sign, of a file; to be closed.

    Raises UsageError when there is no such file, or when it holds keys that cannot be read.
    """

    def __init__(self, path: str) -> None:
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            raise UsageError(f"{path} is missing: nobody is allowed to sign") from None
        self.path = path
        self._directory = tempfile.mkdtemp(prefix="cmgit-signers-")  # ours alone, as gpg wants it
        try:
            self._ssh = self._write("allowed_signers", _KEYS.sub(b"", data))
            self._has_keys = _KEYS.search(data) is not None
            if self._has_keys:
                openpgp.import_keys(self._directory, b"\n".join([*_KEYS.findall(data), b""]))
        except BaseException:
            self.close()
            raise

    def _write(self, name: str, data: bytes) -> str:
        path = os.path.join(self._directory, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def __enter__(self) -> Signers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove what programs needed as files."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def verify(
        self, data: bytes, signature: bytes | None, namespace: str = NAMESPACE, at: int = 0
    ) -> str:
        """Who signed data. ``at`` is when, in seconds since 1970, if not now: keys that were valid
        then count. Raises Untrusted unless it is somebody who may."""
        if signature is None:
            raise Untrusted("it is not signed, and a signature is required")
        descriptor, path = tempfile.mkstemp(".sig", dir=self._directory)
        try:
            with open(descriptor, "wb") as file:
                file.write(signature)
            return self._verify(data, signature, path, namespace, at)
        finally:
            os.unlink(path)

    def _verify(self, data: bytes, signature: bytes, path: str, namespace: str, at: int) -> str:
        if not signature.startswith((_SSH, openpgp.BEGIN)):
            raise Untrusted("its signature is neither of SSH nor of OpenPGP")
        if not _ONE.fullmatch(signature):
            raise Untrusted("what follows its signature was not signed")
        if signature.startswith(_SSH):
            return self._verify_ssh(data, path, namespace, at)
        if not self._has_keys:
            raise Untrusted(
                f"its signer is nobody that {self.path} allows: no OpenPGP key is there"
            )
        return openpgp.verify(self._directory, data, path, bool(at))

    def _verify_ssh(self, data: bytes, path: str, namespace: str, at: int) -> str:
        when = [f"-Overify-time={time.strftime('%Y%m%d%H%M%S', time.localtime(at))}"] if at else []
        found = _run("find-principals", *when, "-f", self._ssh, "-s", path)
        principals = found.stdout.decode("utf-8", "replace").splitlines()
        if found.returncode or not principals:
            raise Untrusted(f"its signer is nobody that {self.path} allows")
        for principal in principals:
            words = [*when, "-f", self._ssh, "-I", principal, "-n", namespace, "-s", path]
            done = _run("verify", *words, input=data)
            if done.returncode == 0:
                return principal
        said = _said(done).replace(self._ssh, self.path)
        raise Untrusted(f"its signature is not right: {said}")


def check_outside(signers: str, places: Iterable[str]) -> str:
    """The path of an allowed-signers file; raises UsageError when it is in one of the places."""
    path = os.path.realpath(os.path.expanduser(signers))
    for place in map(os.path.realpath, places):
        if path == place or path.startswith(place + os.sep):
            raise UsageError(
                f"{signers} is in {place}: who may write there could allow himself to sign",
                "keep it outside of repositories and exports",
            )
    return path


def _run(action: str, *words: str, input: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise CmgitError("signatures need ssh-keygen, which is not here", "install OpenSSH")
    command = [program, "-Y", action, *words]
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(command, input=input, capture_output=True, env=environment, check=False)


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"
