"""Finding from the command line, whole processes: cmgit, cm and mlc beside ``python -c pass``.

Every home holds the real repository of 359 artifacts and a copy of it with UIDs of its own: for
cmgit the one bare, the other working; for the peers two directories, which is what they have.
Bars: cmgit at most 2.5 times ``python -c pass``, cm at least 4 times cmgit.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from .measure import Case, expect, run_all, run_once, script
from .vocabulary import package

PASS = "python -c pass"
WORK = ("work", "0123456789abcdef")
TAGS = "--tags=detect,os"
UID = "863735b7db8c44fc"
_UID = re.compile(rb"""^( *["']?uid["']?: *["']?)([0-9a-f]{16})\b""", re.MULTILINE)


def run(runs: int, smoke: bool) -> None:
    """Print the figures. The smoke size leaves the peers out: they index for many seconds."""
    with tempfile.TemporaryDirectory(prefix="cmgit-bench-") as top:
        work = copy_of_the_package(Path(top) / WORK[0])
        cases = [Case(PASS, [sys.executable, "-c", "pass"]), *cmgit_cases(Path(top), work)]
        if not smoke:
            cases += [cm_case(Path(top), work), mlc_case(Path(top), work)]
        run_all("startup", cases, runs)


def copy_of_the_package(target: Path) -> Path:
    """The same artifacts as a directory of its own, under another name and with UIDs of their own.

    Only automations keep theirs: two of one name are ambiguous to cm.
    """
    shutil.copytree(package(), target, ignore=shutil.ignore_patterns("__pycache__"))
    text = (target / "cmr.yaml").read_text()
    text = text.replace("cmx4mlops", WORK[0]).replace("428611a6db02407f", WORK[1])
    (target / "cmr.yaml").write_text(text)
    for meta in target.glob("repo/*/*/_cm.*"):
        if meta.parent.parent.name != "automation":
            meta.write_bytes(_UID.sub(lambda m: m[1] + m[2][::-1], meta.read_bytes()))
    return target


def cmgit_environment(top: Path) -> dict[str, str]:
    """A home for cmgit, and somebody who commits."""
    config = top / "gitconfig"
    config.write_text("[user]\n\tname = Ann Author\n\temail = ann@example.org\n")
    return {
        "CMGIT_HOME": str(top / "cmgit"),
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_CONFIG_NOSYSTEM": "1",
    }


def cmgit(environment: dict[str, str], *words: str) -> Case:
    """A command of cmgit."""
    return Case(f"cmgit {' '.join(words)}", [script("cmgit"), *words], environment=environment)


def cmgit_cases(top: Path, work: Path) -> list[Case]:
    """Finding one script in both repositories, by tags, alias and UID."""
    environment = cmgit_environment(top)
    for words in (
        ["pull", "repo", "package:cmx4mlops"],
        ["init", "repo", f"--path={work}"],
        ["save", "work"],
        ["find", "*", "--count"],
    ):
        run_once(cmgit(environment, *words))
    cases = []
    for word, hits in ((TAGS, 2), ("detect-os", 2), (UID, 1)):
        plain = cmgit(environment, "find", "script", word)
        cases.append(Case(plain.name, plain.command, (PASS,), environment, check=_lines(hits)))
    return [*cases, *_again(environment)]


def _again(environment: dict[str, str]) -> list[Case]:
    """What is printed of one script when it was asked for before, and the tags of all."""
    cases = []
    for action, word, lines in (("load", UID, 0), ("where", UID, 1), ("tags", "--limit=20", 20)):
        plain = cmgit(environment, action, "script", word)
        run_once(plain)
        check = _lines(lines) if lines else _holds(UID)
        cases.append(Case(plain.name, plain.command, (PASS,), environment, check=check))
    return cases


def cm_case(top: Path, work: Path) -> Case:
    """The same question to cm, which finds the package by itself and is told of the directory."""
    home = top / "cm"
    home.mkdir()
    (home / "repos.json").write_text(json.dumps([str(work)]))
    environment = {"CM_REPOS": str(home), "HOME": str(home)}
    command = [script("cm"), "find", "script", TAGS]
    run_once(Case("cm's index, which it tells of", command, environment=environment))
    return Case(
        f"cm find script {TAGS}",
        command,
        (PASS, f"cmgit find script {TAGS}"),
        environment,
        check=_lines(2),
    )


def mlc_case(top: Path, work: Path) -> Case:
    """The same question to mlc, with copies in its own format: other names of the meta files."""
    home = top / "mlc"
    home.mkdir()
    paths = [
        in_mlc_format(home / "bare", package(), "428611a6db02407f"),
        in_mlc_format(home / WORK[0], work, WORK[1]),
    ]
    (home / "repos.json").write_text(json.dumps([str(path) for path in paths]))
    return Case(
        f"mlc find script {TAGS}",
        [script("mlc"), "find", "script", TAGS],
        (PASS, f"cmgit find script {TAGS}"),
        {"MLC_REPOS": str(home), "HOME": str(home)},
        check=lambda output: expect("hits", output.count("script/detect-os"), 2),
        directory=str(home),  # it leaves a log there
    )


def in_mlc_format(target: Path, source: Path, uid: str) -> Path:
    """A copy of a repository of cm for mlc."""
    base = source / "repo" if (source / "repo").is_dir() else source
    shutil.copytree(base, target, ignore=shutil.ignore_patterns("__pycache__", ".git"))
    for path in list(target.rglob("_cm.*")):
        os.rename(path, path.with_name(path.name.replace("_cm", "meta")))
    (target / "meta.yaml").write_text(f"alias: {target.name}\nuid: {uid}\n")
    return target


def _lines(wanted: int) -> Callable[[str], None]:
    return lambda output: expect("hits", len(output.splitlines()), wanted)


def _holds(wanted: str) -> Callable[[str], None]:
    return lambda output: expect("found", int(wanted in output), 1)
