"""A sync from a server that fails: said by name, nothing changed; the next one completes it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from cmgit.mirror.state import read_state
from cmgit.store import git_program, quarantine
from cmgit.workspace import Workspace
from tests.servers import Backend, backend, collect

from .origins import Origins, bare, check_same, mirror, refs, states, synced

__all__ = ["backend", "collect"]

# what dulwich leaves open when the other side fails, it closes when it is collected
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

ADVERTISEMENT = "application/x-git-upload-pack-advertisement"
FAILURES = {
    "hang": ({"silent": threading.Event}, "1 seconds"),
    "reset": ({"reset": True}, "reset"),
    "half a pack": ({"cut": 30}, ""),
    "half of half a pack": ({"cut": 1500}, ""),
    "another pack": ({"forged": (b"PACK\0\0\0\2", b"PACK\0\0\0\3")}, ""),
    "a page": ({"answer": (200, "text/html", b"<html>hello</html>")}, ""),
    "nonsense": ({"answer": (200, ADVERTISEMENT, b"\xff\xfe" * 50)}, ""),
    "nothing": ({"answer": (200, ADVERTISEMENT, b"")}, ""),
    "a redirect to a file": ({"location": "file:///etc"}, ""),
    "401": ({"login": "Basic eDp5"}, "asks for a login"),
    "403": ({"answer": (403, "text/plain", b"no")}, "403"),
    "404": ({"answer": (404, "text/plain", b"no")}, "is not a Git repository"),
    "500": ({"answer": (500, "text/plain", b"oops")}, "500"),
}


@pytest.fixture(params=["dulwich", "both", "git"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way of fetching: by dulwich alone, with the help of git, by git alone."""
    monkeypatch.setattr(quarantine, "_MANY", 0)
    monkeypatch.setattr(git_program, "STALLED_SECONDS", 1)
    monkeypatch.setitem(git_program._SETTINGS, "http.lowSpeedTime", "1")
    if request.param != "both":
        monkeypatch.setenv("CMGIT_TRANSPORT", request.param)
    return str(request.param)


@pytest.mark.parametrize("failure", FAILURES)
def test_the_next_sync_completes_it(
    workspace: Workspace, tmp_path: Path, backend: type[Backend], transport: str, failure: str
) -> None:
    """A new mirror and one that is there: the URL and what went wrong are told, on one line; no
    ref moves; no file is left. Then it is all there."""
    origins = Origins(tmp_path / "origins")
    one = origins.make("one")
    origins.commit("one", {f"file-{number}": f"{number}\n" * 500 for number in range(30)})
    origins.make("two", 2)
    origins.commit("two", {f"file-{number}": f"{number}\n" * 500 for number in range(30)})
    urls = {name: f"{backend.url}/origins/{name}/.git" for name in ("one", "two")}  # type: ignore[attr-defined]
    mirror(workspace, urls["one"])
    names = {path: f"origins@{path}" for path in urls}
    assert states(synced(workspace)) == {names["one"]: "new"}
    mirror(workspace, urls["two"])
    origins.commit("one", {f"more-{number}": f"{number}\n" * 500 for number in range(30)})
    before = refs(bare(workspace, names["one"]))
    values, text = FAILURES[failure]
    for name, value in values.items():
        setattr(backend, name, value() if callable(value) else value)
    for name, outcome in synced(workspace).items():
        assert outcome.state == "failed", name
        assert "127.0.0.1" in outcome.error
        assert "\n" not in outcome.error
        assert "ConnectionPool" not in outcome.error
        assert text in outcome.error
        assert read_state(workspace.home, outcome.url).error == outcome.error
    assert refs(bare(workspace, names["one"])) == before
    assert not bare(workspace, names["two"]).exists()
    for name in values:
        if name == "silent":
            backend.silent.set()  # type: ignore[union-attr]
        setattr(backend, name, getattr(Backend, name))
    assert states(synced(workspace)) == {names["one"]: "changed", names["two"]: "new"}
    for path, name in names.items():
        check_same(workspace, name, one.parent / path)
