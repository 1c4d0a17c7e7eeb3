"""The engine: tantivy, and everything that is said to it. Part of the short path of ``find``.

A document is an artifact: ``key`` (its repository's number, ``/``, and its path), ``filter`` (the
exact terms by which a query selects), ``text`` (the words that are searched) and, only kept,
``uid`` and ``body`` (what a snippet is cut from). All words are in one field, those that say more
several times over: so BM25F weighs fields, and one field is several times as fast to search as
five are.
"""

from __future__ import annotations

import tantivy
from tantivy.tantivy import __version__

from .state import DamagedText
from .words import PLAIN, PREFIX, Piece, composed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = __version__.rpartition(", ")[2]  # of the format of its files: "index_format v7"

_CJK = r"\p{Han}\p{Hiragana}\p{Katakana}"
_TOKENS = rf"[{_CJK}]|[[\p{{L}}\p{{M}}]--[{_CJK}]]+|\p{{N}}+"
_MANY_WORDS = 200  # a beginning of more words than these does not weigh them

_MUST, _SHOULD, _MUST_NOT = tantivy.Occur.Must, tantivy.Occur.Should, tantivy.Occur.MustNot


def damage(error: BaseException) -> DamagedText:
    """What an error of tantivy means; raises what is not one. It has ValueError for everything,
    and Rust's panics, which are not even an Exception."""
    if isinstance(error, ValueError) or type(error).__name__ == "PanicException":
        return DamagedText(str(error).split("\n")[0])
    raise error


def analyzer(stems: bool) -> tantivy.TextAnalyzer:
    """Runs of letters, runs of digits, single ideographs; whatever their case and accents."""
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(_TOKENS))
    builder = builder.filter(tantivy.Filter.lowercase()).filter(tantivy.Filter.ascii_fold())
    if stems:
        builder = builder.filter(tantivy.Filter.stemmer("english"))
    return builder.build()


class Found:
    """A document that was found: its score, and what is kept of it."""

    __slots__ = ("_document", "score")

    def __init__(self, score: float, document: tantivy.Document) -> None:
        self.score = score
        self._document = document

    @property
    def place(self) -> tuple[int, str]:
        """The number of the repository, and the path in it."""
        number, _, path = str(self._document.get_first("key")).partition("/")
        return int(number), path

    @property
    def uid(self) -> str:
        """The UID of the artifact."""
        return bytes(self._document.get_first("uid") or b"").decode()

    @property
    def body(self) -> str:
        """What a snippet is cut from."""
        return bytes(self._document.get_first("body") or b"").decode("utf-8", "replace")


class Filters:
    """Exact terms that select: one of each list in ``every`` must be there, none of ``no``."""

    __slots__ = ("every", "keys", "no")

    def __init__(self) -> None:
        self.every: list[list[str]] = []
        self.no: list[str] = []
        self.keys: list[str] | None = None  # only these documents


class Engine:
    """An index of tantivy, ready to be asked."""

    def __init__(self, directory: str) -> None:
        """Open what is in a directory; raises DamagedText."""
        try:
            index = tantivy.Index.open(directory)
            self._schema = index.schema
            self._searcher = index.searcher()
        except BaseException as error:
            raise damage(error) from None
        self._analyzer = analyzer(stems=True)

    @property
    def count(self) -> int:
        """How many documents there are."""
        return self._searcher.num_docs

    def tokens(self, text: str) -> list[str]:
        """The tokens of a text, as they are searched."""
        return self._analyzer.analyze(composed(text))

    def query(
        self, wanted: Sequence[Piece], unwanted: Sequence[Piece], every: bool, filters: Filters
    ) -> tantivy.Query:
        """What finds every piece that is wanted (or any of them, those that are not quoted taken
        to their tokens) where the filters let it."""
        if every:
            parts = [(_MUST, self._piece(piece)) for piece in wanted]
        else:
            parts = [(_MUST, _any(self._alternatives(wanted)))]
        parts += [(_MUST_NOT, self._piece(piece)) for piece in unwanted]
        parts += [(_MUST, self._exact("filter", terms)) for terms in filters.every]
        if filters.no:
            parts.append((_MUST_NOT, self._exact("filter", filters.no)))
        if filters.keys is not None:
            parts.append((_MUST, self._exact("key", filters.keys)))
        return parts[0][1] if len(parts) == 1 else tantivy.Query.boolean_query(parts)

    def search(self, query: tantivy.Query, limit: int) -> list[Found]:
        """The best documents, best first; raises DamagedText."""
        if limit < 1 or not self.count:
            return []
        try:
            hits = self._searcher.search(query, min(limit, self.count), count=False).hits
            return [Found(score, self._searcher.doc(address)) for score, address in hits]
        except BaseException as error:
            raise damage(error) from None

    def matches(self, query: tantivy.Query) -> int:
        """How many documents there are; raises DamagedText."""
        try:
            return int(self._searcher.search(query, 1, count=True).count)  # type: ignore[attr-defined]
        except BaseException as error:
            raise damage(error) from None

    def _alternatives(self, pieces: Sequence[Piece]) -> list[tantivy.Query]:
        words = dict.fromkeys(
            token for piece in pieces if piece.kind == PLAIN for token in self.tokens(piece.text)
        )
        others = [self._piece(piece) for piece in pieces if piece.kind != PLAIN]
        return [*map(self._word, words), *others]

    def _word(self, token: str) -> tantivy.Query:
        return tantivy.Query.term_query(self._schema, "text", token, "freq")

    def _piece(self, piece: Piece) -> tantivy.Query:
        tokens = self.tokens(piece.text)
        if piece.kind == PREFIX:
            return self._prefix(piece, tokens)
        if len(tokens) == 1:
            return self._word(tokens[0])
        return tantivy.Query.phrase_query(self._schema, "text", list(tokens))

    def _prefix(self, piece: Piece, tokens: list[str]) -> tantivy.Query:
        """Words that begin so. What is searched are stems: that of the whole is one of them."""
        *before, last = analyzer(stems=False).analyze(composed(piece.text))
        begin = self._searcher.terms_with_prefix("text", last, limit=_MANY_WORDS)
        words = {tokens[-1], *(word for word, _ in begin)}
        found = _any([self._word(word) for word in words])
        if len(begin) == _MANY_WORDS:
            found = tantivy.Query.regex_query(self._schema, "text", f"{last}.*")
        parts = [(_MUST, self._word(token)) for token in tokens[: len(before)]]
        return tantivy.Query.boolean_query([*parts, (_MUST, found)])

    def _exact(self, field: str, terms: list[str]) -> tantivy.Query:
        found = tantivy.Query.term_set_query(self._schema, field, terms)
        return tantivy.Query.const_score_query(found, 0.0)


def _any(queries: list[tantivy.Query]) -> tantivy.Query:
    if len(queries) == 1:
        return queries[0]
    return tantivy.Query.boolean_query([(_SHOULD, query) for query in queries])
