"""Several contents at once."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Barrier

import pytest

from cmgit.errors import Damaged, NotFound, RemoteError
from cmgit.lfs.objects import Objects
from cmgit.lfs.pointer import Pointer
from cmgit.lfs.remote import remote_at
from cmgit.lfs.transfers import JOBS, Transfers
from cmgit.store.transport import Interrupted

from .server import Misbehaving, serving


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Misbehaving]:
    """A server, empty."""
    with serving(tmp_path / "server") as server:
        yield server


@pytest.fixture
def full(tmp_path: Path) -> Objects:
    """Those of a home that has 120 contents: more than one request names."""
    found = Objects(str(tmp_path / "full"))
    for _ in range(120):
        found.keep(io.BytesIO(os.urandom(3000)))
    return found


def pointers(objects: Objects) -> list[Pointer]:
    """All that are there."""
    return [Pointer(oid, found.st_size) for oid, found in objects]


@pytest.mark.parametrize("kind", ["server", "directory", "memory"])
def test_all_come_but_those_that_cannot(
    kind: str, server: Misbehaving, full: Objects, tmp_path: Path
) -> None:
    """What is missing or damaged there is named, everything else is here, and counted once."""
    url = {"server": server.url, "directory": str(tmp_path / "disk"),
           "memory": f"memory://{tmp_path.name}"}[kind]  # fmt: skip
    remote, sizes, wanted = remote_at(url), list[int](), pointers(full)
    objects = Objects(str(tmp_path / "lfs"))
    assert remote.send(wanted, full, sizes.append) == len(wanted)
    assert sum(sizes) == 120 * 3000
    sizes.clear()
    absent = [Pointer(char * 64, 1) for char in "0f"]
    with pytest.raises(NotFound, match=rf"{absent[0].oid} \(1 bytes\) \(and 1 more\) is not at "):
        remote.fetch([absent[0], *wanted, absent[1]], objects, sizes.append)
    assert pointers(objects) == wanted
    assert sum(sizes) == 120 * 3000


def test_one_that_is_damaged_here(server: Misbehaving, full: Objects, tmp_path: Path) -> None:
    """It is named, and the others are sent."""
    wanted = pointers(full)
    os.unlink(full.path(wanted[0].oid))
    with pytest.raises(Damaged, match=f"^{server.url}: .*{wanted[0].oid} is missing"):
        remote_at(server.url).send(wanted, full)
    other = Objects(str(tmp_path / "other"))
    with pytest.raises(NotFound, match=wanted[0].oid):
        remote_at(server.url).fetch(wanted, other)
    assert pointers(other) == wanted[1:]


def test_so_many_at_once() -> None:
    """Neither more nor fewer."""
    barrier, running = Barrier(JOBS), list[int]()

    def work(pointer: Pointer, number: int) -> bool:
        running.append(number)
        barrier.wait(30)
        assert len(running) <= JOBS
        barrier.wait(30)
        running.remove(number)
        barrier.wait(30)
        return True

    assert Transfers("here").run(work, ((Pointer("0", n), n) for n in range(3 * JOBS))) == 3 * JOBS


def test_when_nobody_answers_any_more() -> None:
    """The rest is left; what may be over the next time is raised before other errors."""
    tried = list[int]()

    def raising(error: Callable[[int], Exception]) -> Callable[[Pointer, int], bool]:
        def work(pointer: Pointer, number: int) -> bool:
            tried.append(number)
            raise error(number)

        return work

    items = [(Pointer("0", number), number) for number in range(1000)]
    with pytest.raises(Interrupted, match=r"off \(and \d+ more large files\)"):
        Transfers("there").run(raising(lambda _: Interrupted("there: off")), items)
    assert len(tried) <= 3 * JOBS
    with pytest.raises(Interrupted, match="there: 7"):
        Transfers("there").run(
            raising(lambda n: (Interrupted if n == 7 else RemoteError)(f"there: {n}")), items[:20]
        )


def test_a_full_disk_ends_it_all() -> None:
    """Nothing else is begun."""
    tried = list[int]()

    def work(pointer: Pointer, number: int) -> bool:
        tried.append(number)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        Transfers("there").run(work, ((Pointer("0", n), n) for n in range(1000)))
    assert len(tried) <= 2 * JOBS
