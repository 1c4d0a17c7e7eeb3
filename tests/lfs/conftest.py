"""Fixtures of the tests of large files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cmgit.lfs.objects import Objects

from .server import Misbehaving, serving


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    """Those of a home, empty."""
    return Objects(str(tmp_path / "lfs"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Misbehaving]:
    """A server, empty."""
    with serving(tmp_path / "server") as server:
        yield server
