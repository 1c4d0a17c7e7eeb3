"""``find --text``: its output, its options, its exit codes."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

import cmgit
from cmgit.workspace import Workspace
from tests.cli import bad, good, on_terminal, run
from tests.conftest import Put, uid_of

A, B = f"script local:a,{uid_of(1)}", f"model local:b,{uid_of(2)}"


@pytest.fixture(autouse=True)
def demo(workspace: Workspace, put: Put) -> None:
    """A script that says more of onnx than a model does."""
    put(
        "a",
        1,
        "# Title\nRun the **onnx** model with onnxruntime, [here](https://x.y).",
        tags="[onnx, t]",
    )
    put("b", 2, "A model that is in the format onnx", "model", tags="[t]")


def test_lines() -> None:
    """Each hit is the words that name it, best first, whatever automation it is of."""
    assert good("find", "--text=onnx").lines == [A, B]
    assert good("find", "*", "--text=onnx").lines == [A, B]
    assert good("search", "--text=onnx", "model").lines == [B]
    assert good("find", "--text", "model onnx", "--tags=onnx").lines == [A]
    assert good("find", "--text=onnx", "*", "b", "a").lines == [A, B]
    assert good("find", "--text=onnx -runtime").lines == [A, B]
    assert good("find", "--text=onnx -onnxruntime").lines == [B]


def test_every_line_names_its_artifact() -> None:
    """What is found can be piped into other commands."""
    for line in good("find", "--text=onnx").lines:
        assert orjson.loads(good("load", *line.split()).out)["uid"] == line[-16:]


def test_sort_and_count() -> None:
    """Another order is what one asks for; a count counts all."""
    assert good("find", "--text=onnx", "--sort=automation_alias").lines == [B, A]
    assert good("find", "--text=onnx", "--sort=automation_alias", "--limit=1").lines == [B]
    assert good("find", "--text=onnx", "--count").out == "2\n"
    assert good("find", "--text=nosuchword", "--count").out == "0\n"


def test_the_best(put: Put) -> None:
    """Without a limit the best are shown, and that there are more; not when all are counted."""
    for number in range(3, 30):
        put(f"c{number}", number, "onnx")
    result = run("find", "--text=onnx")
    assert (result.code, len(result.lines)) == (0, 20)
    assert result.err == "the best 20 are shown; --limit=N shows more\n"
    assert len(good("find", "--text=onnx", "--limit=1000").lines) == 29
    assert len(good("find", "--text=onnx", "--sort=uid").lines) == 29
    assert good("find", "--text=onnx", "--count").out == "29\n"
    assert good("find", "--text=onnx", "--limit=0").out == ""


def test_json() -> None:
    """The objects of ``find``, with a score and a snippet."""
    plain = {hit["uid"]: hit for hit in good("find", "*", "--json").json}
    found = good("find", "--text=onnx", "--json").json
    assert [hit["snippet"] for hit in found] == [
        "# Title Run the **onnx** model with onnxruntime, here.",
        "A model that is in the format onnx",
    ]
    scores = [hit.pop("score") for hit in found]
    assert scores == sorted(scores, reverse=True)  # type: ignore[type-var]
    for hit in found:
        del hit["snippet"]
        assert hit == plain[hit["uid"]]
    answer = orjson.loads(good("find", "--text=onnx", "--out=json").out)
    assert [hit["score"] for hit in answer["list"]] == scores


def test_snippets() -> None:
    """A line below each, when it is asked for."""
    lines = good("find", "--text=onnx", "--snippets").lines
    assert lines == [
        A, "    # Title Run the **onnx** model with onnxruntime, here.",
        B, "    A model that is in the format onnx",
    ]  # fmt: skip
    assert good("find", "*", "--snippets").lines == good("find", "*").lines


def test_terminal() -> None:
    """On a terminal the words stand out, unless it cannot, or shall not, show it."""
    good("find", "--text=onnx")
    bold = "    A model that is in the format \x1b[1monnx\x1b[0m\n"
    shown = on_terminal("find", "model", "--text=onnx", TERM="xterm")
    assert shown == f"{B}\n{bold}"
    for environment in ({"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}):
        shown = on_terminal("find", "model", "--text=onnx", **environment)
        assert shown == f"{B}\n    A model that is in the format onnx\n"
    assert on_terminal("find", "model", "--text=onnx", "--no-snippets", TERM="xterm") == f"{B}\n"


def test_nothing_plays_tricks_on_a_terminal(put: Put) -> None:
    """Control characters of a README are not shown."""
    put("c", 3, "evil \x1b]0;title\x07 \x1b[2J \u202e word \x9b31m\r\n\u200b")
    assert good("find", "--text=evil", "--snippets").lines[1].strip().isprintable()
    assert good("find", "--text=evil", "--json").json[0]["snippet"] == "evil ]0;title [2J word 31m"


def test_some_of_the_words() -> None:
    """That no artifact has all words is said, and those that have some are found."""
    result = run("find", "--text=onnx nosuchword")
    assert (result.code, result.lines) == (0, [A, B])
    assert result.err == "warning: no artifact has all of these words; these have some of them\n"
    assert good("find", "--text=nosuchword either").out == ""
    assert run("find", "--text=nosuchword", "--strict").code == 16


def test_what_makes_no_sense() -> None:
    """Errors are one line, and say what to do."""
    assert "no word to look for in '!?'" in bad(1, "find", "--text=!?")
    assert "no word to look for" in bad(1, "find", "script", "--text=-onnx")
    assert "more than 100 words" in bad(1, "find", f"--text={' '.join(map(str, range(200)))}")
    assert "as it is now" in bad(1, "find", "--text=onnx", "--at=HEAD")
    assert "AUTOMATION" in bad(1, "find")
    assert "AUTOMATION" in bad(1, "find", "--text=")
    assert "automation 'nosuch' not found" in bad(4, "find", "nosuch", "--text=onnx")


def test_access() -> None:
    """The door of Python takes it too; without a limit it gives all."""
    answer = cmgit.access({"action": "find", "text": "onnx"})
    assert [artifact.alias for artifact in answer["list"]] == ["a", "b"]
    answer = cmgit.access({"action": "find", "text": "onnx", "limit": 1, "out": "json"})
    assert [artifact["alias"] for artifact in answer["list"]] == ["a"]
    assert answer["list"][0]["score"] > 0
    assert cmgit.access({"action": "find", "text": "?"})["return"] == 1
    assert cmgit.access("find --text=onnx model")["list"][0].alias == "b"
    assert cmgit.access({"action": "find", "text": ["a"]})["return"] == 0


def test_without_tantivy(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the engine is not installed, all else works, and a line says what to do."""
    import sys

    for name in [n for n in sys.modules if n.startswith(("cmgit.text", "tantivy"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tantivy", None)
    assert "pip install tantivy" in bad(1, "find", "--text=onnx")
    assert len(good("find", "*").lines) == 2
    assert Path(workspace.home, "local").is_dir()
