"""SSH signatures of manifests, by ``ssh-keygen``.

Who may sign is said by an *allowed signers* file, as Git has it (``ssh-keygen(1)``): lines of
``PRINCIPAL[,PRINCIPAL] [OPTIONS] KEYTYPE KEY``. It is kept outside of what is mirrored: who could
write into a mirror could else allow himself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable

from ..errors import CmgitError, NotFound, Untrusted, UsageError

NAMESPACE = "cmgit-export"


def sign(path: str, key: str) -> None:
    """Sign a file with a private key, or a public one whose private one an agent has; writes
    ``path.sig``. Raises CmgitError."""
    key = os.path.expanduser(key)
    if not os.path.isfile(key):
        raise NotFound(f"{key} is missing: no key to sign with", "ssh-keygen -t ed25519")
    done = _run("sign", "-q", "-f", key, "-n", NAMESPACE, path)
    if done.returncode or not os.path.exists(path + ".sig"):
        raise CmgitError(f"ssh-keygen does not sign with {key}: {_said(done)}")


def verify(data: bytes, signature: str | None, signers: str, namespace: str = NAMESPACE) -> str:
    """Who signed data, by a file with the signature; raises Untrusted unless it is somebody that
    the file ``signers`` allows, UsageError when there is no such file."""
    if not os.path.isfile(signers):
        raise UsageError(f"{signers} is missing: nobody is allowed to sign")
    if signature is None:
        raise Untrusted("it is not signed, and a signature is required")
    found = _run("find-principals", "-f", signers, "-s", signature)
    principals = found.stdout.decode("utf-8", "replace").splitlines()
    if found.returncode or not principals:
        raise Untrusted(f"its signer is nobody that {signers} allows")
    for principal in principals:
        words = ["-f", signers, "-I", principal, "-n", namespace, "-s", signature]
        done = _run("verify", *words, input=data)
        if done.returncode == 0:
            return principal
    raise Untrusted(f"its signature is not right: {_said(done)}")


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
