"""Bad input: a clear line that names file and line, the right exit code, and the rest is found.

What is on a disk or in a commit is tried twice: in a working repository, and committed with Git
and pulled as a bare one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from cmgit.workspace import Workspace
from tests.cli import SCRIPT, bad, good, run
from tests.conftest import Git, MakeRepo, meta_of, uid_of, write_files

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
HUGE = 100 << 20

Take = Callable[..., Path]
"""``take(files)`` makes a repository ``demo`` of files and an artifact ``ok``, and takes it in."""


@pytest.fixture(params=["working", "bare"])
def kind(request: pytest.FixtureRequest) -> str:
    """How the repository is taken in."""
    return str(request.param)


@pytest.fixture
def take(make_repo: MakeRepo, workspace: Workspace, kind: str) -> Take:
    """See Take."""

    def take(files: Mapping[str, str | bytes], change: Callable[[Path], object] = bool) -> Path:
        path = make_repo("demo", "ok", files=files, commit=False)
        change(path)
        make_repo("demo", "ok", directory=path)
        words = [f"--path={path}"] if kind == "working" else ["demo", f"--url={path}"]
        result = run("init" if kind == "working" else "pull", "repo", *words)
        assert result.code == 0, result
        return path

    return take


def warned(*, rest: int = 1) -> str:
    """The one warning of ``find``, which has all the rest; ``--strict`` makes it exit code 4."""
    found = run("find", "*", "--count")
    assert (found.code, found.out) == (0, f"{rest}\n"), found
    assert run("find", "*", "--count", "--strict").code == 4
    (line,) = found.err.splitlines()
    assert line.startswith("warning: ")
    return line.removeprefix("warning: ")


def json_meta(alias: str) -> str:
    """A ``_cm.json`` with an alias as JSON writes it."""
    return f'{{"alias": "{alias}", "uid": "{uid_of(7)}", "automation_alias": "script"}}'


BROKEN = {
    "yaml": ("_cm.yaml", "alias: x\ntags: [a\nb: c\n", ":3: "),
    "yaml tab": ("_cm.yaml", "alias: x\n\tb: c\n", ":2: "),
    "yaml tag": ("_cm.yaml", "alias: !!python/object/apply:os.system [ls]\n", ":1: "),
    "yaml NUL": ("_cm.yaml", b"alias: x\nb: a\0b\n", ":2: "),
    "yaml bytes": ("_cm.yaml", b"alias: x\nb: \xff\xfe\n", ":"),
    "two documents": ("_cm.yaml", "alias: x\n---\nalias: y\n", ":2: "),
    "json": ("_cm.json", '{"alias": "x",\n"tags": [1,]}', ":2: "),
    "bomb": ("_cm.yaml", BOMB, "expands to more than"),
    "circle": ("_cm.yaml", "a: &a [*a]\n", ":1: an alias refers to what contains it"),
    "deep": ("_cm.yaml", "a: " + "[" * 500 + "]" * 500, ":1: nested more than"),
    "deep json": ("_cm.json", '{"a": ' + "[" * 900 + "]" * 900 + "}", "_cm.json:1: "),
    "list": ("_cm.yaml", "- alias: x\n", ":1: the meta is a list, not a mapping"),
    "json list": ("_cm.json", "[1]", ":1: the meta is a list, not a mapping"),
    "text": ("_cm.yaml", "hello\n", ":1: the meta is a str, not a mapping"),
    "no uid": ("_cm.yaml", "alias: x\nautomation_alias: script\n", "uid '' is not 16"),
    "bad uid": ("_cm.yaml", "alias: x\nuid: 12\nautomation_alias: s\n", "uid '12' is not 16"),
    "no automation": ("_cm.yaml", f"alias: x\nuid: {uid_of(7)}\n", "automation_alias is missing"),
    "tags": ("_cm.yaml", meta_of("x", uid_of(7), tags=3), "tags is neither a list nor text"),
    "alias is a list": ("_cm.yaml", meta_of("[x]", uid_of(7)), "alias is not text"),
    "control": ("_cm.yaml", meta_of(r'"a\x1bb"', uid_of(7)), r"'a\x1bb' holds a character"),
    "line end": ("_cm.json", json_meta(r"a\nb"),
                 r"'a\nb' holds a character"),
    "NUL": ("_cm.json", json_meta(r"a\u0000b"), r"'a\x00b' holds a character"),
    "up": ("_cm.yaml", meta_of("../x", uid_of(7)), "alias '../x' holds a character"),
    "surrogate": ("_cm.yaml", meta_of(r'"a\uD800b"', uid_of(7)), "_cm.yaml:"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_broken_meta(take: Take, case: str) -> None:
    """A meta that cannot be read is named, with file and line; the rest is found."""
    name, content, problem = BROKEN[case]
    take({f"script/bad/{name}": content})
    warning = warned()
    assert warning.startswith(f"demo/script/bad/{name}:")
    assert problem in warning
    assert len(warning) < 300
    bad(16, "load", "script", "bad")
    assert good_load("ok")["uid"] == uid_of(1)


def good_load(name: str) -> dict[str, object]:
    """The meta of an artifact, whatever warnings there are."""
    result = run("load", "script", name, "--json")
    assert result.code == 0, result
    return result.json[0]


def test_repaired_meta(take: Take, git: Git, kind: str) -> None:
    """A meta that was put right is found, and its warning is gone."""
    path = take({"script/bad/_cm.yaml": "["})
    warned()
    write_files(path, {"script/bad/_cm.yaml": meta_of("bad", uid_of(7))})
    if kind == "bare":
        git(path, "commit", "-qam", "repair")
        good("pull", "repo", "demo")
    assert good("find", "script").names == ["bad", "ok"]


def test_huge_meta(take: Take) -> None:
    """100 MB of meta are refused within a minute on the slowest machine, without being read as YAML."""
    line = b"x" * 99 + b"\n"
    content = b"alias: big\nlong: |\n" + (b" " + line) * (HUGE // 100)
    path = take({"script/big/_cm.yaml": content})
    start = time.monotonic()
    assert "demo/script/big/_cm.yaml:1: " in warned()
    (path / "script" / "ok" / "new").write_text("x")
    warned()
    assert time.monotonic() - start < 60


def test_many_values(take: Take) -> None:
    """A meta as large as is allowed is read in a bounded time."""
    take({"script/wide/_cm.json": '{"a": [' + "1," * 1_900_000 + "1]}"})
    start = time.monotonic()
    warned()
    assert time.monotonic() - start < 60


@pytest.mark.parametrize(
    "alias",
    ["../x", "..", ".", ".git", ".GIT", "git~1", "con", "CON.txt", "a" * 300, "a/b", "a\\b", "a*b",
     "-x", "a\0b", "a\x1bb", "a\nb", "a.", "\udcff", "é" * 150],
)  # fmt: skip
def test_alias_for_add(alias: str, workspace: Workspace, home: Path) -> None:
    """An alias that cannot be a directory's name everywhere is refused by every change."""
    good("add", "automation", "script")
    good("add", "script", "ok")
    before = sorted(home.joinpath("local").rglob("*"))
    for words in (["add", "script"], ["cp", "script", "ok"], ["mv", "script", "ok"]):
        if alias == "-x":
            words.append("--")
        result = run(*words, alias)
        assert result.code in (1, 16), result
        assert result.err.startswith("cmgit: ")
        assert result.err.count("\n") <= 2
        assert len(result.err) < 300
    assert [p for p in sorted(home.joinpath("local").rglob("*")) if ".git" not in p.parts] == [
        p for p in before if ".git" not in p.parts
    ]
    assert run("init", "repo", alias).code in (1, 16) or alias in (".", "..", "a/b", "../x")


def test_alias_in_another_case(take: Take) -> None:
    """An alias that differs only in case from another is refused: 8 for add, 1 for mv and cp."""
    take({})
    assert "only in case from 'ok'" in bad(8, "add", "script", "demo:OK")
    good("add", "script", "demo:other")
    bad(1, "mv", "script", "demo:other", "oK")
    bad(1, "cp", "script", "demo:other", "oK")
    bad(8, "add", "script", "demo:ok")
    assert good("find", "script").names == ["ok", "other"]


def test_case_on_disk(take: Take) -> None:
    """Two directories that differ only in case are two artifacts, both found."""
    take({"script/OK/_cm.yaml": meta_of("OK", uid_of(7))})
    assert good("find", "script", "ok").lines == [
        f"script demo:OK,{uid_of(7)}", f"script demo:ok,{uid_of(1)}",
    ]  # fmt: skip
    assert bad(1, "load", "script", "ok").startswith("cmgit: 2 artifacts match 'script ok'")


@pytest.mark.parametrize("alias", ["con", ".git", "a" * 300, "", "a b", "größe"])
def test_odd_alias_in_a_file(take: Take, alias: str) -> None:
    """An alias in a meta that is no directory's name is still only a name: it is found."""
    take({"script/odd/_cm.yaml": meta_of(f'"{alias}"', uid_of(7))})
    assert good("find", "script", uid_of(7), "--count").out == "1\n"
    assert good("load", "script", uid_of(7), "--json").json[0]["alias"] == alias
    assert good("find", "script", "--count").out == "2\n"


def test_duplicate_uid(take: Take, make_repo: MakeRepo, tmp_path: Path) -> None:
    """The same UID twice, in a repository and across them: all are found, none is guessed."""
    take({"script/twin/_cm.yaml": meta_of("twin", uid_of(1))})
    assert good("find", "script", uid_of(1)).names == ["ok", "twin"]
    error = bad(1, "load", "script", uid_of(1))
    assert "demo:ok" in error
    assert "demo:twin" in error
    make_repo("other", "ok", uid="1111111111111111")
    good("init", "repo", f"--path={tmp_path / 'other'}")
    assert len(good("find", "script", uid_of(1)).lines) == 3
    assert len(good("find", "script", f"other:{uid_of(1)}").lines) == 1
    found = run("check")
    assert found.code == 0
    assert (
        f"note: artifact: UID {uid_of(1)} is that of demo/script/ok, demo/script/twin" in found.out
    )


def test_duplicate_repository(take: Take, make_repo: MakeRepo, tmp_path: Path) -> None:
    """Two repositories of one UID or one alias (in any case): the second is refused with 8."""
    take({})
    make_repo("twin", "x")
    assert "0123456789abcdef" in bad(8, "init", "repo", f"--path={tmp_path / 'twin'}")
    bad(8, "init", "repo", "DEMO", f"--path={tmp_path / 'new'}")
    assert good("find", "repo").out.count("\n") == 2
    assert not (tmp_path / "new").exists()


def link_meta(path: Path) -> None:
    """Make a meta a symbolic link to a good one outside of its directory."""
    write_files(path, {"elsewhere.yaml": meta_of("linked", uid_of(7)), "script/link/x": "x"})
    (path / "script" / "link" / "_cm.yaml").symlink_to("../../elsewhere.yaml")


def test_symlink_as_meta(take: Take) -> None:
    """A symbolic link is not followed."""
    take({}, link_meta)
    assert warned().startswith("demo/script/link/_cm.yaml:1: a symbolic link")


def test_symlink_as_artifact(take: Take) -> None:
    """A link in the place of a directory is no artifact, as it is none in Git."""
    take({}, lambda path: (path / "script" / "again").symlink_to("ok"))
    assert good("find", "script").names == ["ok"]


def test_directory_as_meta(take: Take) -> None:
    """A directory named as a meta file is named in a warning."""
    take({"script/dir/_cm.yaml/x": "x"})
    assert warned().startswith("demo/script/dir/_cm.yaml:1: ")


def test_submodule(take: Take, kind: str, make_repo: MakeRepo, git: Git, tmp_path: Path) -> None:
    """A submodule is not followed; in a commit it is said so."""
    make_repo("sub", "inner", uid="2222222222222222")

    def add(path: Path) -> None:
        git(path, "init", "-q")
        (path / "script").mkdir(exist_ok=True)
        git(path, "submodule", "add", "-q", str(tmp_path / "sub"), "script/sub")

    take({}, add)
    if kind == "bare":
        assert warned().startswith("demo/script/sub:1: a submodule")
    assert run("find", "script").names == ["ok"]


def test_file_for_automation(take: Take) -> None:
    """A file where the automation's directory should be: add is refused, the file stays."""
    path = take({"model": "a file\n"})
    good("add", "automation", "model")
    error = bad(8, "add", "model", "demo:bert")
    assert error.startswith("cmgit: demo/model is a file where a directory should be")
    assert (path / "model").read_text() == "a file\n"
    assert good("find", "script").names == ["ok"]


def test_file_for_artifact(take: Take) -> None:
    """A file where the artifact's directory should be: refused with 8."""
    take({"script/taken": "a file\n"})
    bad(8, "add", "script", "demo:taken")
    assert good("find", "script").names == ["ok"]


def test_unknown_uid(take: Take) -> None:
    """A UID that nobody has: nothing found, 16 where one is needed, and nothing is guessed."""
    take({})
    uid = "f" * 16
    assert run("find", "script", uid) == (0, "", "")
    for words in (["load"], ["rm", "-f"], ["log"], ["info"], ["mv", "x"], ["where"], ["cat"]):
        action, *rest = words
        bad(16, action, "script", f"ok,{uid}", *rest)
    bad(4, "find", uid)
    bad(16, "add", "script", f"{uid}:x")


def test_not_utf8_names(take: Take) -> None:
    """A directory whose name is not UTF-8 does no harm: what it holds is found or warned of."""

    def make(path: Path) -> None:
        place = os.fsencode(path) + b"/script/\xff\xfe"
        os.makedirs(place)
        with open(place + b"/_cm.yaml", "w") as file:
            file.write(meta_of("raw", uid_of(7)))

    take({}, make)
    found = run("find", "script", "--count")
    assert found.code == 0
    assert found.out == "2\n" or ("warning: demo/script/" in found.err and found.out == "1\n")
    assert run("find", "script", "--json").code == 0


def test_broken_description(take: Take, kind: str, git: Git) -> None:
    """A cmr.yaml that cannot be read takes away its repository alone, and says where."""
    path = take({})
    good("add", "automation", "model")
    write_files(path, {"cmr.yaml": "alias: demo\nuid: [\n"})
    if kind == "bare":
        git(path, "commit", "-qam", "break")
        run("pull", "repo", "demo")
    found = run("find", "*")
    assert found.code == 0
    assert "model" in found.names
    assert found.err.startswith("warning: demo: demo/cmr.yaml:")


@pytest.mark.parametrize("prefix", ["..", "/etc/..", ".git", "a/../b"])
def test_prefix_outside(prefix: str, take: Take, kind: str, make_repo: MakeRepo) -> None:
    """A prefix that leads out of the repository is refused."""
    path = make_repo(
        "evil", files={"cmr.yaml": f"alias: evil\nuid: {uid_of(5)}\nprefix: {prefix}\n"}
    )
    words = ["init", "repo", f"--path={path}"] if kind == "working" else ["pull", "repo", str(path)]
    assert "prefix" in bad(4, *words)
    assert "evil" not in good("find", "repo").out


def test_unborn_branch(tmp_path: Path, workspace: Workspace, git: Git) -> None:
    """A branch without a commit: it is found what is on the disk, and the first add commits."""
    path = tmp_path / "unborn"
    write_files(path, {"cmr.yaml": f"alias: unborn\nuid: {uid_of(5)}\n",
                       "script/a/_cm.yaml": meta_of("a", uid_of(7))})  # fmt: skip
    git(path, "init", "-q")
    good("init", "repo", f"--path={path}")
    assert good("find", "script").names == ["a"]
    assert good("find", "script", "--json").json[0]["commit"] == ""
    assert good("log", "script", "a").out == ""
    bad(16, "find", "script", "--repo=unborn", "--at=HEAD")
    good("add", "script", "unborn:b")
    assert git(path, "log", "--format=%s").startswith("add script b")
    assert good("find", "script").names == ["a", "b"]


def test_pull_of_an_unborn_branch(tmp_path: Path, workspace: Workspace, git: Git) -> None:
    """There is nothing to pull from a repository without a commit; nothing is registered."""
    git(tmp_path, "init", "-q", "empty")
    bad(16, "pull", "repo", f"--url={tmp_path / 'empty'}")
    assert good("find", "repo").out.count("\n") == 1
    assert run("check").code == 0


def test_detached_head(make_repo: MakeRepo, workspace: Workspace, git: Git) -> None:
    """On a detached HEAD everything is found, and a change is refused with a hint."""
    path = make_repo("demo", "ok")
    good("init", "repo", f"--path={path}")
    git(path, "checkout", "-q", "--detach")
    before = git(path, "rev-parse", "HEAD")
    assert good("find", "script").names == ["ok"]
    for words in (["add", "script", "demo:x"], ["rm", "script", "ok", "-f"],
                  ["mv", "script", "ok", "x"], ["save", "demo"],
                  ["update", "script", "ok", "--tags=x"]):  # fmt: skip
        assert "git switch" in bad(1, *words)
    assert git(path, "rev-parse", "HEAD") == before
    assert git(path, "status", "--porcelain") == ""
    git(path, "switch", "-q", "main")
    good("add", "script", "demo:x")


def test_detached_head_of_what_is_pulled(
    make_repo: MakeRepo, workspace: Workspace, git: Git
) -> None:
    """A repository whose HEAD is detached is pulled by its branch."""
    path = make_repo("demo", "ok")
    git(path, "checkout", "-q", "--detach")
    result = run("pull", "repo", f"--url={path}")
    assert result.code == 0, result
    assert good("find", "script").names == ["ok"]


def test_bare_as_working(
    make_repo: MakeRepo, workspace: Workspace, git: Git, tmp_path: Path
) -> None:
    """A bare repository has no files to work on; the hint says what to do with it."""
    git(tmp_path, "clone", "-q", "--bare", str(make_repo("demo", "ok")), "bare.git")
    before = sorted(os.listdir(tmp_path / "bare.git"))
    assert "cmgit pull repo" in bad(1, "init", "repo", f"--path={tmp_path / 'bare.git'}")
    assert sorted(os.listdir(tmp_path / "bare.git")) == before
    good("pull", "repo", f"--url={tmp_path / 'bare.git'}")
    assert good("find", "script").names == ["ok"]


def test_file_as_repository(workspace: Workspace, tmp_path: Path) -> None:
    """A file is no repository."""
    (tmp_path / "file").write_text("x")
    assert "not a directory" in bad(1, "init", "repo", f"--path={tmp_path / 'file'}")
    assert run("pull", "repo", f"--url={tmp_path / 'file'}").code != 0
    assert run("pull", "repo", f"--url={tmp_path / 'nowhere'}").code != 0
    assert good("find", "repo").out.count("\n") == 1


def test_absent_disk(make_repo: MakeRepo, workspace: Workspace) -> None:
    """A repository whose disk is absent is reported, stays registered, and comes back."""
    path = make_repo("demo", "ok")
    good("init", "repo", f"--path={path}")
    good("find", "*")
    os.rename(path, f"{path}-away")
    found = run("find", "script")
    assert found.code == 0
    assert found.err.startswith("warning: demo: ")
    assert "demo" in run("find", "repo").out
    bad(16, "add", "script", "demo:x")
    os.rename(f"{path}-away", path)
    assert good("find", "script").names == ["ok"]


WITHOUT_POWERS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
"""A prefix for root, who may write everywhere: without the capability to do so."""


def as_reader(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command line as somebody who may read the home and not write it."""
    prefix = WITHOUT_POWERS if os.getuid() == 0 else []
    return subprocess.run(
        [*prefix, SCRIPT, *words], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def readable(take: Take, home: Path, tmp_path: Path) -> Iterator[Path]:
    """A home with a repository that may be read and not be written."""
    if os.getuid() == 0 and (
        not shutil.which("setpriv") or subprocess.run([*WITHOUT_POWERS, "true"]).returncode
    ):
        pytest.skip("root may write everywhere")
    take({})
    good("find", "*")
    places = [str(home), str(tmp_path / "demo")]
    subprocess.run(["chmod", "-R", "a-w", *places], check=True)
    yield home
    subprocess.run(["chmod", "-R", "u+w", *places], check=True)


def test_read_only_home(readable: Path, kind: str) -> None:
    """Who may only read a home finds what is there, and is told so where something is written."""
    done = as_reader("find", "script")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"script demo:ok,{uid_of(1)}\n", "")
    done = as_reader("load", "script", "ok")
    assert done.returncode == 0, done.stderr
    for words in (["add", "automation", "x"], ["rm", "script", "ok", "-f"],
                  ["update", "script", "ok", "--tags=x"], ["pull", "repo", "demo"],
                  ["rm", "repo", "demo"], ["init", "repo", "new", f"--path={readable}/new"]):  # fmt: skip
        done = as_reader(*words)
        assert done.returncode == 1, (words, done)
        assert done.stderr.startswith("cmgit: "), done
        assert done.stderr.count("\n") <= 2
        assert done.stdout == ""
    done = as_reader("find", "script", "--path")
    if kind == "working":
        assert done.returncode == 0
    else:
        assert done.returncode == 1
        assert "set CMGIT_HOME" in done.stderr
    assert good("find", "script").names == ["ok"]


def test_read_only_home_with_an_old_index(readable: Path, tmp_path: Path, kind: str) -> None:
    """An index that is not true any more is made anew in memory."""
    if kind == "bare":
        subprocess.run(["chmod", "u+w", str(readable / "index-v3")], check=True)
        for file in readable.joinpath("index-v3").iterdir():
            file.unlink()
        subprocess.run(["chmod", "u-w", str(readable / "index-v3")], check=True)
    else:
        subprocess.run(["chmod", "-R", "u+w", str(tmp_path / "demo")], check=True)
        write_files(tmp_path / "demo", {"script/new/_cm.yaml": meta_of("new", uid_of(7))})
    done = as_reader("find", "script", "--count")
    expected = "1\n" if kind == "bare" else "2\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


@pytest.mark.parametrize("old", [False, True])
def test_reindex_of_a_read_only_home(readable: Path, kind: str, old: bool) -> None:
    """What shall be written and cannot be is an error, though a find would go without."""
    if old:
        subprocess.run(["chmod", "u+w", str(readable / "index-v3")], check=True)
        for file in readable.joinpath("index-v3").iterdir():
            file.unlink()
        subprocess.run(["chmod", "u-w", str(readable / "index-v3")], check=True)
    done = as_reader("reindex")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"cmgit: the index was not written: {readable} cannot be written\n"
        "  hint: set CMGIT_HOME to a directory of your own\n"
    )
    assert as_reader("find", "script", "--count").stdout == "1\n"


def test_check_of_a_read_only_home(readable: Path, kind: str) -> None:
    """Everything is verified, against an index in memory if there is none."""
    done = as_reader("check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "all is well\n")
    subprocess.run(["chmod", "u+w", str(readable / "index-v3")], check=True)
    for file in readable.joinpath("index-v3").iterdir():
        file.unlink()
    subprocess.run(["chmod", "u-w", str(readable / "index-v3")], check=True)
    done = as_reader("check")
    assert (done.returncode, done.stdout) == (0, ""), done


def test_home_that_cannot_be(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home below a file is an error of one line."""
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("CMGIT_HOME", str(tmp_path / "file" / "home"))
    for words in (["find", "*"], ["add", "automation", "x"], ["check"]):
        result = run(*words)
        assert result.code == 1
        assert result.err.startswith("cmgit: ")


def test_bad_input_file(workspace: Workspace, tmp_path: Path) -> None:
    """An @file that is not there, cannot be read, or is a list."""
    write_files(tmp_path, {"list.yaml": "- a\n", "bad.json": "{", "dir/x": ""})
    bad(16, "find", "*", f"@{tmp_path}/nosuch.yaml")
    assert "list.yaml:1: " in bad(4, "find", "*", f"@{tmp_path}/list.yaml")
    assert "bad.json:1: " in bad(4, "find", "*", f"@{tmp_path}/bad.json")
    bad(16, "find", "*", f"@{tmp_path}/dir")


def test_bad_words(workspace: Workspace) -> None:
    """Words that make no sense."""
    good("add", "automation", "script")
    for words in (["add", "script", "x", "y"], ["add", "script", "x", "--colour=red"],
                  ["add", "script", "x", "--meta=3"], ["add", "script", "x", "--meta.=3"],
                  ["rm", "script", "-f"], ["update", "script", "x", "--meta.uid=3"],
                  ["find", "script", "--tags"], ["mv", "script", "x"], ["cat"],
                  ["cat", "a", "b", "c", "d"], ["diff", "script"]):  # fmt: skip
        bad(1, *words)
    assert good("find", "script").out == ""
