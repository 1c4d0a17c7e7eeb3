"""OpenPGP signatures, by ``gpg``, with no keys but those that are given.

gpg says what it found in lines for programs (``--status-fd``); its exit code is 0 for more than
what counts as a good signature here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from ..errors import CmgitError, Untrusted, UsageError

BEGIN = b"-----BEGIN PGP SIGNATURE-----"
_OPTIONS = (
    "--batch", "--no-tty", "--no-options", "--status-fd=1", "--trust-model=always",
    "--no-auto-key-retrieve", "--disable-dirmngr",
)  # fmt: skip
_GOOD = ["GOODSIG", "NEWSIG", "VALIDSIG"]  # each once
_WRONG = {
    "NO_PUBKEY": "its signer is nobody that is allowed",
    "BADSIG": "its signature is not right",
    "REVKEYSIG": "the key of its signature was revoked",
    "EXPKEYSIG": "the key of its signature had expired",
    "EXPSIG": "its signature has expired",
}

_OF_BYTES = "00"  # the class of a signature of the very bytes; of text there are others

Status = list[list[str]]


def sign(path: str, key: str) -> None:
    """Sign a file with a secret key that the user's gpg has; writes ``path.sig``, armored.

    Raises CmgitError.
    """
    words = ["--batch", "--yes", "--armor", f"--local-user={key}", f"--output={path}.sig"]
    done = _run([*words, "--detach-sign", path])
    if done.returncode or not os.path.exists(path + ".sig"):
        raise CmgitError(f"gpg does not sign with {key}: {_said(done)}")


def import_keys(home: str, keys: bytes) -> None:
    """Make a directory gpg's home, with these public keys alone. Raises UsageError."""
    done = _run(["--homedir", home, *_OPTIONS, "--import"], keys)
    if not any(words[0] == "IMPORT_OK" for words in _status(done)):
        raise UsageError(f"the OpenPGP keys of the signers cannot be read: {_said(done)}")


def verify(home: str, data: bytes, signature: str, past: bool = False) -> str:
    """Who signed data, by a file with the signature: one of those whose keys the home has.

    A key that has expired counts with ``past``, if it was valid when the signature was made.
    Raises Untrusted.
    """
    status = _verified(home, data, signature)
    if past and (made := _made_by_expired(status)):
        status = _verified(home, data, signature, f"--faked-system-time={made}!")
    found = {words[0] for words in status}
    wrong = next((text for word, text in _WRONG.items() if word in found), "")
    good = {words[0]: words for words in status if words[0] in _GOOD}
    if wrong or sorted(words[0] for words in status if words[0] in _GOOD) != _GOOD:
        raise Untrusted(wrong or "its signature is not right")
    if good["VALIDSIG"][9:10] != [_OF_BYTES]:
        raise Untrusted("its signature is one of text, whose ends of lines may be others")
    return " ".join(good["GOODSIG"][2:])


def _made_by_expired(status: Status) -> str:
    """When the signature was made, in seconds, if nothing but the age of its key is wrong."""
    if not any(words[0] == "EXPKEYSIG" for words in status):
        return ""
    return next((words[3] for words in status if words[0] == "VALIDSIG" and words[3].isdigit()), "")


def _verified(home: str, data: bytes, signature: str, *more: str) -> Status:
    return _status(_run(["--homedir", home, *_OPTIONS, *more, "--verify", signature, "-"], data))


def _status(done: subprocess.CompletedProcess[bytes]) -> Status:
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return [line.split(" ")[1:] for line in lines if line.startswith("[GNUPG:] ")]


def _run(words: Sequence[str], data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("gpg") or shutil.which("gpg2")
    if program is None:
        raise CmgitError("OpenPGP signatures need gpg, which is not here", "install GnuPG")
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(
        [program, *words], input=data, capture_output=True, env=environment, check=False
    )


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("gpg: ") if lines else f"exit code {done.returncode}"
