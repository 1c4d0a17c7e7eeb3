"""Fixtures of the crash tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from crash_support import Zygote


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """A process that forks processes of cmgit, for the tests of a module."""
    process = Zygote(tmp_path_factory.mktemp("zygote"))
    yield process
    process.close()
