"""What of an artifact's text is shown: the part that holds most of the words looked for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

WIDTH = 140
_LOOKED_AT = 30  # occurrences of each word

Mark = tuple[int, int]


class Snippet:
    """A piece of text, and where in it the words are that were looked for."""

    __slots__ = ("marks", "text")

    def __init__(self, text: str, marks: list[Mark]) -> None:
        self.text = text
        self.marks = marks

    def marked(self, begin: str, end: str) -> str:
        """The text with something before and after each word."""
        text = self.text
        for start, stop in reversed(self.marks):
            text = f"{text[:start]}{begin}{text[start:stop]}{end}{text[stop:]}"
        return text.replace(end + begin, "")


def snippet(body: str, tokens: Iterable[str], tokenize: Callable[[str], list[str]]) -> Snippet:
    """The part of a body that holds most of the tokens, ``…`` where it is cut."""
    marks = sorted(
        (start, end, token) for token in tokens for start, end in _places(body, token, tokenize)
    )
    start = _word_start(body, _best(marks))
    end = _word_end(body, start + WIDTH)
    text = body[start:end].strip()
    before = "… " if start else ""
    after = " …" if end < len(body) else ""
    shift = start - len(before) + len(body[start:end]) - len(body[start:end].lstrip())
    inside = [(s - shift, e - shift) for s, e, _ in marks if start <= s and e <= end]
    return Snippet(before + text + after, inside)


def _places(body: str, token: str, tokenize: Callable[[str], list[str]]) -> list[Mark]:
    """Where a body has a token. Tokens are stems: words begin so, but for a ``y`` become ``i``."""
    lower = body.lower()
    if len(lower) != len(body):
        return []
    found: list[Mark] = []
    begin = token[:-1] if token.endswith("i") and len(token) > 2 else token
    at = lower.find(begin)
    for _ in range(_LOOKED_AT):
        if at < 0:
            break
        end = _token_end(lower, at)
        if (at == 0 or not _same_run(lower[at - 1], lower[at])) and token in tokenize(body[at:end]):
            found.append((at, end))
        at = lower.find(begin, end)
    return found


def _same_run(one: str, other: str) -> bool:
    """Whether two characters beside each other belong to one token."""
    if _is_token(one) or _is_token(other):
        return False
    return (one.isalpha() and other.isalpha()) or (one.isnumeric() and other.isnumeric())


def _is_token(char: str) -> bool:
    """Whether a character is a token of its own: an ideograph or a kana."""
    return "\u3040" <= char <= "\u30ff" or "\u3400" <= char <= "\u9fff" or char >= "\U00020000"


def _token_end(text: str, at: int) -> int:
    end = at + 1
    while end < len(text) and _same_run(text[end - 1], text[end]):
        end += 1
    return end


def _best(marks: list[tuple[int, int, str]]) -> int:
    """Where the stretch begins that holds most different tokens; the first of equals."""
    best, most = 0, 0
    for number, (start, _, _) in enumerate(marks):
        inside = {t for s, e, t in marks[number : number + 50] if e <= start + WIDTH * 3 // 4}
        if len(inside) > most:
            best, most = start, len(inside)
    return best


def _word_start(body: str, mark: int) -> int:
    """A little before a mark, at the beginning of a word; the beginning when that is near."""
    at = min(mark - WIDTH // 4, len(body) - WIDTH)
    if at < WIDTH // 4:
        return 0
    space = body.find(" ", at, mark)
    return space + 1 if space >= 0 else at


def _word_end(body: str, at: int) -> int:
    """At a place, or at the end of the last word before it."""
    if at >= len(body):
        return len(body)
    space = body.rfind(" ", at - WIDTH // 4, at)
    return space if space >= 0 else at
