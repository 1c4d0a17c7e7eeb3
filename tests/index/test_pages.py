"""Files that are verified a block at a time."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmgit.index.builder import texts
from cmgit.index.pages import BLOCK, FENCE, Column, DamagedIndex, Pages, SortedColumn, Texts
from cmgit.index.writer import write_pages

MAGIC = b"CMGITTST"


def write(directory: Path, *sections: object) -> Pages:
    """A file with these sections, opened."""
    name = write_pages(str(directory), ".test", MAGIC, 1, sections)
    return Pages(str(directory / name), MAGIC, 1, len(sections))


def test_sections_come_back(tmp_path: Path) -> None:
    """Of any size, empty ones too, over several blocks."""
    numbers, odd = array("I", range(10_000)), b"odd"
    pages = write(tmp_path, numbers, odd, b"", array("Q", [2**64 - 1]))
    assert Column(pages, 0).all().tolist() == numbers.tolist()
    assert [pages.read(*pages.bounds(n)) for n in (1, 2)] == [odd, b""]
    assert Column(pages, 3, "Q")[0] == 2**64 - 1
    assert Column(pages, 0).part(4000, 4003).tolist() == [4000, 4001, 4002]


@given(st.lists(st.integers(0, 40), max_size=3 * FENCE), st.integers(-1, 41))
def test_a_sorted_column(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], key: int
) -> None:
    """The span of a key is exactly where it is, over the ends of fences too."""
    keys = array("Q", sorted(number + 1 for number in numbers))
    pages = write(tmp_path_factory.mktemp("pages"), keys, keys[::FENCE])
    first, last = SortedColumn(pages, 0, 1).span(key + 1)
    assert keys[first:last].tolist() == [key + 1] * keys.count(key + 1)
    assert all(other < key + 1 for other in keys[:first])


@given(st.lists(st.text(max_size=5), max_size=20))
def test_texts(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    """Strings come back one by one."""
    pages = write(tmp_path_factory.mktemp("pages"), *texts(word.encode() for word in words))
    read = Texts(pages, 0, 1)
    assert [read.text(at) for at in range(len(read))] == words


def test_only_what_is_read_is_verified(tmp_path: Path) -> None:
    """Damage in one block is noticed there, and does not hurt the others."""
    numbers = array("Q", range(3 * BLOCK // 8))
    pages = write(tmp_path, numbers)
    data = bytearray(Path(pages.path).read_bytes())
    data[BLOCK + 8] ^= 1
    Path(pages.path).write_bytes(data)
    column = Column(Pages(pages.path, MAGIC, 1, 1), 0, "Q")
    assert column[0] == 0
    assert column[2 * BLOCK // 8] == 2 * BLOCK // 8
    for _ in range(2):
        with pytest.raises(DamagedIndex, match=f"damaged at byte {BLOCK}"):
            column[BLOCK // 8]
    with pytest.raises(DamagedIndex):
        column.all()


@pytest.mark.parametrize(
    ("magic", "version", "sections"), [(b"CMGITXXX", 1, 1), (MAGIC, 2, 1), (MAGIC, 1, 2)]
)
def test_a_file_of_another_kind(tmp_path: Path, magic: bytes, version: int, sections: int) -> None:
    """With a right name but another magic, version or shape it is not read."""
    pages = write(tmp_path, b"x")
    with pytest.raises(DamagedIndex):
        Pages(pages.path, magic, version, sections)


def test_the_tail_vouches_for_the_rest(tmp_path: Path) -> None:
    """A cut, an extension or a flipped bit of the tail is noticed at once."""
    pages = write(tmp_path, bytes(range(100)))
    data, path = Path(pages.path).read_bytes(), Path(pages.path)
    flips = [data[:n] + bytes([data[n] ^ 1]) + data[n + 1 :] for n in range(104, len(data))]
    for damaged in (*flips, data[:-1], data + b"x", data[1:], b"", bytes(len(data))):
        path.write_bytes(damaged)
        with pytest.raises(DamagedIndex):
            Pages(pages.path, MAGIC, 1, 1)
