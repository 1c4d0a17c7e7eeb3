"""What every ObjectStore does. A subclass gives the fixture ``store``, and says in ``reopen`` how
to look at what was flushed with other eyes."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmgit.errors import Damaged
from cmgit.store.objects import ObjectID, ObjectStore, object_id, verify

_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
MISSING = ObjectID("1" * 40)
TREE = b"100644 a\0" + bytes.fromhex("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")
COMMIT = (
    b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
    b"author A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\nmessage\n"
)
TAG = b"object " + b"1" * 40 + b"\ntype commit\ntag v1\ntagger A <a@b> 0 +0000\n\nmessage\n"
OBJECTS = [("blob", b""), ("blob", b"\0\xff" * 3000), ("tree", TREE), ("tree", b"")]
OBJECTS += [("commit", COMMIT), ("tag", TAG)]


def git_id(kind: str, data: bytes) -> str:
    """The id that Git gives an object."""
    command = ["git", "hash-object", "--literally", "-t", kind, "--stdin"]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout.decode()[:40]


class ObjectStoreContract:
    """The conformance suite."""

    @pytest.fixture
    def store(self) -> ObjectStore:
        """A new store, empty."""
        raise NotImplementedError

    def reopen(self, store: ObjectStore) -> ObjectStore:
        """The same objects, as another process would see them."""
        raise NotImplementedError

    @pytest.mark.parametrize(("kind", "data"), OBJECTS)
    def test_put_is_readable_under_the_id_of_git(self, store, kind, data):
        """What was put can be read at once, and after the flush, by the id that Git computes."""
        oid = store.put(kind, data)
        assert oid == git_id(kind, data)
        assert oid in store
        assert store.read(oid) == (kind, data)
        store.flush()
        again = self.reopen(store)
        assert oid in again
        assert again.read(oid) == (kind, data)

    def test_put_twice_is_one_object(self, store):
        """The same content, before and after a flush, is one object."""
        oid = store.put("blob", b"same")
        assert store.put("blob", b"same") == oid
        store.flush()
        store.put("blob", b"same")
        store.flush()
        assert list(self.reopen(store)).count(oid) == 1

    def test_kind_is_part_of_the_identity(self, store):
        """An empty blob is not an empty tree."""
        blob, tree = store.put("blob", b""), store.put("tree", b"")
        store.flush()
        assert blob != tree
        assert self.reopen(store).read(blob)[0] == "blob"
        assert self.reopen(store).read(tree)[0] == "tree"

    def test_missing(self, store):
        """An object that is not there raises Damaged with its id, and is not contained."""
        assert MISSING not in store
        with pytest.raises(Damaged, match=MISSING):
            store.read(MISSING)

    @pytest.mark.parametrize("value", ["", "main", "1" * 39, "1" * 64, "zz" * 20, "é" * 40, None])
    def test_what_is_no_id_is_not_contained(self, store, value):
        """Asking for something that is no id is no error."""
        assert value not in store

    def test_lists_what_was_flushed(self, store):
        """Iteration gives every id once."""
        oids = [store.put("blob", b"%d" % number) for number in range(5)]
        store.flush()
        assert sorted(self.reopen(store)) == sorted(oids)

    def test_many_in_one_flush(self, store):
        """Hundreds of objects of all kinds survive one flush."""
        kept = {store.put("blob", b"blob %d" % n): ("blob", b"blob %d" % n) for n in range(300)}
        kept.update({store.put(kind, data): (kind, data) for kind, data in OBJECTS})
        store.flush()
        again = self.reopen(store)
        assert {oid: again.read(oid) for oid in kept} == kept
        assert list(verify(again, kept)) == []

    def test_flush_of_nothing(self, store):
        """A flush without anything new is harmless, twice too."""
        store.flush()
        store.flush()
        assert list(self.reopen(store)) == []

    @settings(max_examples=25, deadline=None, suppress_health_check=_SHARED)
    @given(blobs=st.lists(st.binary(max_size=200), max_size=10))
    def test_any_bytes(self, store, blobs):
        """Whatever the bytes are, they come back."""
        oids = [store.put("blob", data) for data in blobs]
        store.flush()
        again = self.reopen(store)
        assert oids == [object_id("blob", data) for data in blobs]
        assert [again.read(oid) for oid in oids] == [("blob", data) for data in blobs]
