"""``find``: its output, its options, its exit codes."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import orjson
import pytest

from cmgit.workspace import Workspace
from tests.cli import SCRIPT, bad, good, run, spawn
from tests.conftest import Git, MakeRepo, artifact_files, meta_of, uid_of, write_files

KEYS = {
    "uid", "alias", "automation_alias", "automation_uid", "repo", "repo_uid", "path", "tags",
    "tree", "commit",
}  # fmt: skip


@pytest.fixture
def demo(make_repo: MakeRepo, workspace: Workspace) -> Path:
    """A working repository: scripts b, a, detect-os and model c, with tags, registered."""
    files = {
        "script/detect-os/_cm.yaml": meta_of("detect-os", uid_of(9), tags="[detect, os]"),
        "model/c/_cm.yaml": meta_of("c", uid_of(3), "model", tags="[detect]"),
    }
    path = make_repo("demo", "b", "a", files=files)
    good("init", "repo", f"--path={path}")
    return path


@pytest.fixture(params=["working", "bare"])
def either(request: pytest.FixtureRequest, demo: Path, git: Git) -> Path:
    """The same repository, working or pulled as a bare one."""
    if request.param == "bare":
        good("rm", "repo", "demo")
        good("pull", "repo", "demo", f"--url={demo}")
    return demo


def test_line(either: Path) -> None:
    """A hit is a line ``AUTOMATION REPO:ALIAS,UID``."""
    assert good("find", "script", "a").out == f"script demo:a,{uid_of(2)}\n"


def test_every_line_names_its_artifact(either: Path) -> None:
    """The words of a hit load that artifact, and no other."""
    hits = good("find", "*").lines
    assert len(hits) == 4
    for hit in hits:
        loaded = good("load", *hit.split()).out
        assert orjson.loads(loaded)["uid"] == hit[-16:]


def test_json_lines(either: Path, git: Git) -> None:
    """``--json`` has an object a line with the keys that are promised, true to Git."""
    commit = git(either, "rev-parse", "HEAD").strip()
    hits = good("find", "*", "--json").json
    assert len(hits) == 4
    for hit in hits:
        assert set(hit) >= KEYS
        assert (hit["repo"], hit["repo_uid"]) == ("demo", "0123456789abcdef")
        assert hit["commit"] == commit
        assert hit["tree"] == git(either, "rev-parse", f"HEAD:{hit['path']}").strip()
    assert hits[-1]["tags"] == ["detect", "os"]


def test_json_of_what_is_not_committed(demo: Path) -> None:
    """A new artifact on the disk has neither tree nor commit, in both ways to answer."""
    write_files(demo, {"script/new/_cm.yaml": meta_of("new", uid_of(5))})
    for full in (False, True):
        (hit,) = run("find", "script", "new", "--json", full=full).json
        assert (hit["tree"], hit["commit"], hit["path"]) == ("", "", "script/new")


def test_whole_answer(either: Path) -> None:
    """``--out=json`` is the return dict, with the whole list in it."""
    answer = orjson.loads(good("find", "script", "--out=json").out)
    assert answer["return"] == 0
    assert [hit["alias"] for hit in answer["list"]] == ["a", "b", "detect-os"]
    assert set(answer["list"][0]) >= KEYS


def test_path(either: Path, home: Path) -> None:
    """``--path`` prints a directory with the artifact's files: in place, or a check-out."""
    (place,) = good("find", "script", "a", "--path").lines
    assert Path(place, "run.sh").read_text() == "echo a\n"
    working = "working" in good("show", "repo", "demo").out
    assert place == str(either / "script" / "a") if working else place.startswith(str(home))


def test_order(either: Path) -> None:
    """By automation directory, then artifact directory; ``local`` comes first."""
    good("add", "script", "zz")
    assert good("find", "*").names == ["zz", "c", "a", "b", "detect-os"]


def test_sort(either: Path) -> None:
    """``--sort`` orders by a value; one that there is not is an error."""
    assert good("find", "*", "--sort=uid").names == ["b", "a", "c", "detect-os"]
    assert good("find", "*", "--sort=alias").names == ["a", "b", "c", "detect-os"]
    assert good("find", "*", "--sort=automation-alias").names[0] == "c"
    assert "alias, uid" in bad(1, "find", "*", "--sort=size")


def test_limit_and_count(either: Path) -> None:
    """``--limit`` takes the first ones, ``--count`` says how many are printed without it."""
    assert good("find", "*", "--limit=2").names == ["c", "a"]
    assert good("find", "*", "--limit=0").out == ""
    assert good("find", "*", "--count").out == "4\n"
    assert good("find", "script", "nothing", "--count").out == "0\n"
    bad(1, "find", "*", "--limit=-1")
    bad(1, "find", "*", "--limit=many")


def test_repo(either: Path) -> None:
    """Hits are of the repository that ``--repo=`` or ``REPO:`` names, by alias, UID or pattern."""
    good("add", "script", "a")
    assert good("find", "script", "--repo=local").names == ["a"]
    for words in (
        ["demo:"],
        ["d*:"],
        ["--repo=demo"],
        ["--repo=0123456789ABCDEF"],
        ["--repo=de?o"],
    ):
        assert good("find", "script", *words).names == ["a", "b", "detect-os"], words
    for words in (["--repo=nosuch"], ["nosuch:"]):
        answer = run("find", "script", *words)
        assert (answer.code, answer.out) == (0, "")
        assert "no repository is called 'nosuch'" in answer.err


def test_tags(either: Path) -> None:
    """Every tag must be there, none with ``-`` before it."""
    assert good("find", "*", "--tags=detect").names == ["c", "detect-os"]
    assert good("find", "*", "--tags=os,detect").names == ["detect-os"]
    assert good("find", "*", "--tags=detect,-os").names == ["c"]
    assert good("find", "*", "--tags=-detect").names == ["a", "b"]


def test_names(either: Path) -> None:
    """Aliases in any case, patterns, UIDs in any case; with a UID the alias is a comment."""
    uid = uid_of(9)
    for word in ("DETECT-os", "det*", "?etect*", uid, uid.upper(), f"wrong,{uid}", f"{uid},x"):
        assert good("find", "script", word).names == ["detect-os"], word
    assert good("find", "", uid).names == ["detect-os"]
    assert good("find", "s*", "a", "b").names == ["a", "b"]
    assert "more than one ':'" in bad(1, "find", "script", "a:b:c")
    assert "more than one ','" in bad(1, "find", "script", "a,b,c")


@pytest.mark.parametrize("action", ["search", "ls", "list"])
def test_aliases(either: Path, action: str) -> None:
    """``search``, ``ls`` and ``list`` are ``find``."""
    assert run(action, "script") == run("find", "script") == run(action, "script", full=True)


def test_nothing_found(either: Path) -> None:
    """Nothing found is no output and exit code 0; 16 with ``--strict``."""
    assert run("find", "script", "nothing") == (0, "", "")
    assert run("find", "script", "--tags=nothing", full=True) == (0, "", "")
    assert run("find", "script", "nothing", "--strict") == (16, "", "")
    assert run("find", "script", "a", "--strict").code == 0


def test_codes_of_automations(either: Path) -> None:
    """4 for an automation nobody knows, 3 where it is not in the named repository."""
    assert "scrip" in bad(4, "find", "scrip")
    bad(3, "find", "local:script")
    good("add", "automation", "demo:script,5b4e0237da074764")
    assert good("find", "demo:script").names == ["a", "b", "detect-os"]


def test_strict_warnings(demo: Path) -> None:
    """Something that cannot be read is a warning, the rest is found; ``--strict`` makes it 4."""
    write_files(demo, {"script/broken/_cm.yaml": "a: [\n"})
    for full in (False, True):
        found = run("find", "script", "--count", full=full)
        assert (found.code, found.out) == (0, "3\n")
        assert found.err.startswith("warning: demo/script/broken/_cm.yaml:2: ")
    assert run("find", "script", "--strict").code == 4
    assert run("find", "script", "--repo=local", "--strict").err == ""


def test_dash_and_underscore(either: Path) -> None:
    """Words of options and actions that differ only by ``-`` and ``_`` are the same."""
    a = good("cp", "script", "a", "copy", "--new-tags=x").names
    b = good("cp", "script", "b", "copy2", "--new_tags=x").names
    assert (a, b) == (["copy"], ["copy2"])
    assert good("find", "script", "--tags=x").names == ["copy", "copy2"]
    assert good("print_input", "script").out == good("print-input", "script").out


def test_cm_spelling(either: Path, tmp_path: Path) -> None:
    """``-tags=``, ``--count-`` for false, and ``@input.yaml`` are read as ``cm`` reads them."""
    assert good("find", "*", "-tags=os").names == ["detect-os"]
    assert good("find", "*", "-tags=os", "--count-").names == ["detect-os"]
    write_files(
        tmp_path, {"in.yaml": "tags: os\n", "in.json": '{"tags": ["detect"], "count": true}'}
    )
    assert good("find", "*", f"@{tmp_path}/in.yaml").names == ["detect-os"]
    assert good("find", "*", f"@{tmp_path}/in.json").out == "2\n"
    assert "in.txt" in bad(16, "find", "*", f"@{tmp_path}/in.txt")


def test_options_anywhere(either: Path) -> None:
    """Options may stand between the words."""
    assert good("find", "--tags=os", "script", "detect-os").names == ["detect-os"]


def test_at(either: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--at=REV`` and ``--at=DATE`` answer as a scan of the old tree does."""
    old = good("find", "script", "--json").out
    first = git(either, "rev-parse", "HEAD").strip()
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2001-01-01T12:00:00")
    write_files(either, artifact_files("later"))
    git(either, "rm", "-rq", "script/a")
    git(either, "add", ".")
    git(either, "commit", "-qm", "second")
    if "bare" in good("show", "repo", "demo").out:
        good("pull", "repo", "demo")
    assert good("find", "script").names == ["b", "detect-os", "later"]
    assert good("find", "script", "--repo=demo", f"--at={first}", "--json").out == old
    assert good("find", "script", "a", f"--at={first[:10]}", "--count").out == "1\n"
    assert good("find", "script", "later", "--repo=demo", "--at=HEAD~1").out == ""
    assert good("find", "script", "later", "--repo=demo", "--at=2001-01-01").names == ["later"]
    bad(16, "find", "script", "--at=nosuchrev")


def test_at_date_before_everything(either: Path) -> None:
    """Before the first commit there was nothing."""
    assert run("find", "*", "--at=1999-12-31") == (0, "", "")


def test_hand_edits_are_seen(demo: Path) -> None:
    """What a person's own tools make, change, move and delete is seen by the next ``find``."""
    write_files(demo, {"script/new/_cm.json": orjson.dumps({"alias": "new", "uid": uid_of(7),
                       "automation_alias": "script", "tags": ["x"]})})  # fmt: skip
    assert good("find", "script", "new").names == ["new"]
    os.rename(demo / "script" / "new", demo / "script" / "newer")
    (hit,) = good("find", "script", "new", "--json").json
    assert hit["path"] == "script/newer"
    (demo / "script" / "newer" / "_cm.json").unlink()
    assert good("find", "script", "new").out == ""


def test_closed_pipe(either: Path) -> None:
    """``| head -1`` with many hits ends quietly."""
    write_files(either, {f"model/m{n}/_cm.yaml": meta_of(f"m{n}", uid_of(100 + n), "model")
                         for n in range(1500)})  # fmt: skip
    good("init", "repo", f"--path={either}", "more,1111111111111111")
    for words in ("find '*' --json", "find '*' --json --sort=uid", "find '*' --json --at=HEAD"):
        script = f"'{SCRIPT}' {words} | head -1; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.stderr == ""
        assert done.stdout.splitlines()[-1] in ("0", "141")


@pytest.fixture(scope="session")
def latin1(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a Latin-1 locale; skips where none can be made."""
    place = tmp_path_factory.mktemp("locale")
    command = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(place / "en_US.ISO-8859-1")]
    if not shutil.which("localedef") or subprocess.run(command, check=False).returncode:
        pytest.skip("no localedef")
    return {"LOCPATH": str(place), "LC_ALL": "en_US.ISO-8859-1"}


PLAIN_C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("locale", ["C", "plain C", "latin-1"])
def test_locales(demo: Path, locale: str, request: pytest.FixtureRequest) -> None:
    """stdout is UTF-8 whatever the locale is, words are read as UTF-8, and nothing fails."""
    write_files(demo, {"script/größe/_cm.yaml": meta_of("größe-日本", uid_of(77), tags="[ü]")})
    line = f"script demo:größe-日本,{uid_of(77)}\n".encode()
    if locale == "latin-1":
        env = request.getfixturevalue("latin1")
    else:
        env = PLAIN_C if locale == "plain C" else {"LC_ALL": "C"}
    for words in (["find", "script", "grö*"], ["find", "*", "--tags=ü", "--sort=uid"]):
        done = spawn(*words, env=env)
        assert (done.returncode, done.stdout, done.stderr) == (0, line, b""), words
    done = spawn("load", *line.decode().split(), env=env)
    assert orjson.loads(done.stdout)["uid"] == uid_of(77)
    done = spawn("find", "script", "--sort=ü", env={**env, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"cmgit: cannot sort by ")
    good("find", "script", "grö*")


def test_word_in_latin_1(demo: Path, latin1: dict[str, str]) -> None:
    """A word typed in a Latin-1 locale is what the person sees."""
    write_files(demo, {"script/x/_cm.yaml": meta_of("größe", uid_of(78))})
    done = subprocess.run(
        [SCRIPT, "find", "script", "größe".encode("latin-1")],
        env={**os.environ, **latin1}, capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout.decode() == f"script demo:größe,{uid_of(78)}\n"


def test_as_a_process(either: Path) -> None:
    """The console script answers with the same bytes and codes as the functions."""
    done = spawn("find", "script", "--tags=os")
    assert (done.returncode, done.stdout.decode(), done.stderr) == (
        0, good("find", "script", "--tags=os").out, b"",
    )  # fmt: skip
    assert spawn("find", "scrip").returncode == 4
    assert spawn("find", "script", "x", "--strict").returncode == 16


def test_same_answer_in_any_age(demo: Path) -> None:
    """An index that was just made, is a while old, or was lost gives the same answer."""
    first = run("find", "*", "--json")
    time.sleep(0.05)
    assert run("find", "*", "--json") == first
    good("reindex")
    assert run("find", "*", "--json") == first
