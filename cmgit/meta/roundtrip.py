"""Changing YAML text, by ruamel.yaml. Imported only where YAML is written: it takes its time.

A file that changes keeps everything that does not: comments, key order, quotes and line ends.
Only the blocks of those top-level keys whose value changes are written anew; the other lines stay
byte for byte.
"""

from __future__ import annotations

import io
import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from .merge import same
from .parse import Meta, key_lines, parse_yaml, reads_as_text

_BOM = "\ufeff"


def write_yaml(meta: Meta) -> bytes:
    """A new YAML document, keys in the order they have."""
    return _dump(_quoted_like_text(meta)).encode()


def edit_yaml(data: bytes, old: Meta, new: Meta, where: str) -> bytes | None:
    """The document with ``new`` for the value ``old``; None when it cannot be changed without
    losing something."""
    for edit in (_edit_blocks, _edit_whole, _write_anew):
        try:
            edited = edit(data, old, new)
            if same(parse_yaml(edited, where), new):
                return edited
        except Exception:  # whatever ruamel.yaml makes of a layout that it does not support
            continue
    return None


class _Representer(RoundTripRepresenter):
    """Writes a number such as 1e-05 as 1.0e-05: without a dot YAML 1.1 has it as text."""

    def represent_float(self, data: float) -> Any:
        """The node of a number."""
        node = super().represent_float(data)
        if "e" in node.value and "." not in node.value:
            node.value = node.value.replace("e", ".0e")
        return node


_Representer.add_representer(float, _Representer.represent_float)


def _yaml(like: str = "") -> YAML:
    """A round-trip reader and writer that indents as the text does."""
    writer = YAML()
    writer.Representer = _Representer
    writer.preserve_quotes = True
    writer.allow_duplicate_keys = True  # real metas have them; the last one counts
    writer.width = 1 << 20
    writer.allow_unicode = True
    item = re.search(r"^( *)-( +)\S", like, re.MULTILINE)
    nested = re.search(r"^( +)[^\s#-]", like, re.MULTILINE)
    offset = len(item[1]) if item else 0
    writer.indent(
        mapping=len(nested[1]) if nested and not offset else 2,
        sequence=offset + 1 + len(item[2]) if item else 2,
        offset=offset,
    )
    return writer


def _dump(value: Any, like: str = "") -> str:
    out = io.StringIO()
    _yaml(like).dump(value, out)
    return out.getvalue()


def _edit_whole(data: bytes, old: Meta, new: Meta) -> bytes:
    text = data.decode("utf-8-sig")
    document = _yaml(text).load(text)
    _lay(document, old, new)
    return _dump(document, text).encode()


def _write_anew(data: bytes, old: Meta, new: Meta) -> bytes:
    if b"#" in data:
        raise ValueError("there may be comments")
    return write_yaml(new)


def _edit_blocks(data: bytes, old: Meta, new: Meta) -> bytes:
    text = data.decode()
    mark = _BOM if text.startswith(_BOM) else ""
    text = text.removeprefix(_BOM)
    line_end = "\r\n" if "\r\n" in text else "\n"
    lines = text.replace("\r\n", "\n").split("\n")
    result = _replace_blocks(lines, key_lines("\n".join(lines)), old, new)
    for key in [key for key in new if key not in old]:
        _append(result, _dump(_quoted_like_text({key: new[key]})).splitlines())
    return (mark + line_end.join(result)).encode()


def _replace_blocks(
    lines: list[str], starts: list[tuple[int, str]], old: Meta, new: Meta
) -> list[str]:
    if not starts:
        if not all(_is_filler(line) for line in lines):
            raise ValueError("there is something else than keys")
        return list(lines)
    ends = [line for line, _ in starts[1:]] + [len(lines)]
    result = lines[: starts[0][0]]
    for (start, key), next_start in zip(starts, ends, strict=True):
        end = next_start
        while end > start + 1 and _is_filler(lines[end - 1]):
            end -= 1  # the comments and empty lines before the next key belong to no block
        block = lines[start:end]
        if key in new:
            kept = same(old[key], new[key])
            result += block if kept else _new_block(block, {key: old[key]}, {key: new[key]})
        result += lines[end:next_start]
    return result


def _new_block(block: list[str], old: Meta, new: Meta) -> list[str]:
    text = "\n".join(block)
    document = _yaml(text).load(text)
    _lay(document, old, new)
    return _dump(document, text).splitlines()


def _is_filler(line: str) -> bool:
    return not line.strip() or line.startswith("#")


def _append(lines: list[str], block: list[str]) -> None:
    trailing = []
    while lines and not lines[-1]:
        trailing.append(lines.pop())
    lines += block + (trailing or [""])


def _lay(document: Any, old: Any, new: Meta) -> None:
    """Change a round-trip document so that its value is ``new``, touching only what differs."""
    for key in [key for key in document if key not in new]:
        del document[key]
    for key, value in new.items():
        before = old.get(key) if isinstance(old, dict) else None
        if key in document and same(before, value):
            continue
        if key in document and isinstance(before, dict) and isinstance(value, dict):
            _lay(document[key], before, value)
        elif key in document and isinstance(before, list) and _grows(before, value):
            document[key].extend(_quoted_like_text(item) for item in value[len(before) :])
        else:
            document[_quoted_like_text(key)] = _quoted_like_text(value)


def _grows(before: list[Any], value: Any) -> bool:
    return isinstance(value, list) and same(value[: len(before)], before)


def _quoted_like_text(value: Any) -> Any:
    """Quote text that a YAML 1.1 reader would take for something else (ruamel writes 1.2)."""
    if isinstance(value, dict):
        return {_quoted_like_text(key): _quoted_like_text(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_quoted_like_text(item) for item in value]
    if isinstance(value, str) and not (reads_as_text(value) and _is_printable(value)):
        return DoubleQuotedScalarString(value)
    return value


def _is_printable(text: str) -> bool:
    return all(char.isprintable() or char == "\n" for char in text)
