"""Connections to a server are kept for its other repositories, as long as nothing changes them."""

from __future__ import annotations

import pytest
from dulwich.config import ConfigDict, StackedConfig

from cmgit.store import dulwich_transport
from cmgit.store.dulwich_transport import _connections


def config(**settings: str) -> StackedConfig:
    """Git's configuration of HTTP: for all URLs, or, named ``at``, for some."""
    values = ConfigDict()
    for name, value in settings.items():
        place = (b"http", b"https://example.org/some") if name == "at" else (b"http",)
        values.set(place, b"extraHeader" if name == "at" else name.encode(), value.encode())
    return StackedConfig([values])


def test_kept_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for one server, others for another one, settings, a proxy."""
    one = _connections("https://example.org/a.git", config())
    assert one is not None
    assert _connections("https://example.org/b.git", config()) is one
    assert _connections("https://example.org/a.git", config(useragent="x")) is not one
    assert _connections("http://example.org/a.git", config()) is not one
    assert _connections("https://example.org:8443/a.git", config()) is not one
    assert _connections("https://ann@example.org/a.git", config()) is not one
    monkeypatch.setenv("https_proxy", "http://localhost:1")
    assert _connections("https://example.org/a.git", config()) is not one
    monkeypatch.delenv("https_proxy")
    assert _connections("https://example.org/a.git", config()) is one
    assert _connections("git://example.org/a.git", config()) is None


def test_settings_of_some_urls() -> None:
    """What is set for some URLs of a server is not used for others of it."""
    some = _connections("https://example.org/some/a.git", config(at="X-Token: 1"))
    other = _connections("https://example.org/other/a.git", config(at="X-Token: 1"))
    assert some is not None
    assert other is not None
    assert (some.headers.get("X-Token"), other.headers.get("X-Token")) == ("1", None)


def test_what_was_idle_connects_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server closes connections that nobody uses: they are not relied on; and not too many."""
    one = _connections("https://example.org/a.git", config())
    assert one is not None
    one.connection_from_url("https://example.org/")
    assert _connections("https://example.org/a.git", config()) is one
    assert len(one.pools) == 1
    monkeypatch.setattr(dulwich_transport, "_IDLE_SECONDS", -1.0)
    assert _connections("https://example.org/a.git", config()) is one
    assert len(one.pools) == 0
    for number in range(20):
        _connections(f"https://{number}.example.org/a.git", config())
    assert len(dulwich_transport._kept) == dulwich_transport._MOST_KEPT
    assert _connections("https://example.org/a.git", config()) is not one
