"""Writing to tantivy: documents come and go, all at once or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from types import TracebackType

import tantivy

from .document import Document
from .engine import analyzer, damage

_HEAP = 15_000_000  # the least that tantivy takes
_BIG_HEAP = 100_000_000  # of bytes, for all threads together


class Writer:
    """Changes to an index in a directory, made when the block ends without an error.

    Raises OSError when the disk is full, DamagedText for all else that tantivy complains of.
    """

    def __init__(self, directory: str, many: bool = False) -> None:
        self._directory = directory
        threads = min(4, os.cpu_count() or 1) if many else 1
        try:
            index = tantivy.Index(_schema(), directory)
            index.register_tokenizer("words", analyzer(stems=True))
            self._writer = index.writer(_BIG_HEAP if many else _HEAP, threads)
        except BaseException as error:
            raise self._failure(error) from None

    def remove(self, key: str) -> None:
        """Forget a document, if it is there."""
        self._writer.delete_documents_by_term("key", key)

    def add(self, document: Document) -> None:
        """Take in a document, after those with its key are removed."""
        made = tantivy.Document(key=document.key)
        made.add_bytes("uid", document.uid.encode())
        for term in document.filters:
            made.add_text("filter", term)
        for weight, text in document.texts:
            for _ in range(weight):
                made.add_text("text", text)
        made.add_bytes("body", document.body.encode())
        try:
            self._writer.add_document(made)
        except BaseException as error:
            raise self._failure(error) from None

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            return
        try:
            self._writer.commit()
            self._writer.wait_merging_threads()
        except BaseException as failure:
            raise self._failure(failure) from None

    def _failure(self, error: BaseException) -> Exception:
        """An error of tantivy as what it means: it does not say that the disk is full."""
        found = damage(error)
        if "os error 28" in str(found) or shutil.disk_usage(self._directory).free < _HEAP:
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._directory)
        return found


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("key", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("filter", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("text", tokenizer_name="words", index_option="position")
    builder.add_bytes_field("uid", stored=True)
    builder.add_bytes_field("body", stored=True)
    return builder.build()
