"""Where a home is, on each platform."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from cmgit.home import default_home, stored_path
from cmgit.workspace import Workspace


def test_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CMGIT_HOME decides, ``~`` and a relative path included."""
    monkeypatch.chdir(tmp_path)
    assert default_home({"CMGIT_HOME": "/x/y"}) == "/x/y"
    assert default_home({"CMGIT_HOME": "~/h"}) == os.path.expanduser("~/h")
    assert default_home({"CMGIT_HOME": "rel"}) == str(tmp_path / "rel")


@pytest.mark.parametrize(
    ("path", "stored"),
    [
        ("/h/local", "local"),
        ("/h/a/b", "a/b"),
        ("/home/x", "/home/x"),
        ("/h//x", "/h//x"),
        ("/h", "/h"),
    ],
)
def test_stored_path(path: str, stored: str) -> None:
    """Relative inside the home only; what it stands for is the path."""
    assert stored_path("/h", path) == stored
    assert os.path.join("/h", stored) == path


def test_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_DATA_HOME, else ~/.local/share."""
    monkeypatch.setattr(sys, "platform", "linux")
    assert default_home({"XDG_DATA_HOME": "/data", "CMGIT_HOME": ""}) == "/data/cmgit"
    assert default_home({"XDG_DATA_HOME": "/data//x/../y"}) == "/data/y/cmgit"
    assert default_home({"XDG_DATA_HOME": " "}) == os.path.expanduser("~/.local/share/cmgit")


def test_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    """Application Support."""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_home({}) == os.path.expanduser("~/Library/Application Support/cmgit")


def test_as_platformdirs_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is spelt out for speed is what the library says; elsewhere the library is asked."""
    from platformdirs import user_data_dir

    assert default_home(os.environ.copy() | {"CMGIT_HOME": ""}) == user_data_dir("cmgit", False)
    monkeypatch.setattr(sys, "platform", "win32")
    assert default_home({}) == user_data_dir("cmgit", False)


def test_made_on_first_use(home: Path) -> None:
    """A home with the repository ``local`` is there from the first use on, and made once."""
    first = Workspace(str(home))
    uid = first.registry.entries[0].uid
    (home / "local" / "mine").write_text("x")
    assert Workspace(str(home)).registry.entries == first.registry.entries
    assert uid == "9a3280b14a4285c9"
    assert (home / "local" / "mine").read_text() == "x"
    assert Workspace().home == str(home)
