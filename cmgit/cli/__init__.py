"""The command line. ``main`` tries the short path of lookups first, then the full command line.

* :mod:`.short`: ``find``, ``load``, ``where`` and ``tags`` straight from a fresh index, without
  importing anything big; :mod:`.keep` keeps what ``load`` prints for it.
* :mod:`.quick`: ``add``, and lookups after a change, without the Typer application.
* :mod:`.app`: the Typer application; :mod:`.artifacts`, :mod:`.repositories` and :mod:`.history`
  hold its commands; :mod:`.words` turns CM's spelling into Typer's.
* :mod:`.space`: ``du`` and ``gc``.
* :mod:`.here`: ``.`` in names, the only place that reads the current directory.
* :mod:`.output`: the only module that prints.
"""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """Run the command line of this process and exit with CM's code."""
    if sys.getfilesystemencoding() != "utf-8":
        _restart_in_utf8()
    gc.disable()  # a lookup is over before there is anything to collect; see output.guarded
    from .short import run

    code = run(sys.argv[1:])
    if code is not None:
        os._exit(code)  # all is written; taking Python down would take a fifth of the lookup
    from .quick import run as run_quick

    code = run_quick(sys.argv[1:])
    if code is None:
        from .app import run_app

        code = run_app(sys.argv[1:])
    sys.exit(code)


def _restart_in_utf8() -> None:
    """Begin again with UTF-8 for words and file names, as Git has them, whatever the locale."""
    words = [os.fsencode(sys.executable), b"-X", b"utf8", *map(_as_utf8, sys.orig_argv[1:])]
    os.execv(words[0], words)


def _as_utf8(word: str) -> bytes:
    """The bytes of a word where they are UTF-8 (``$(cmgit find ...)``), else what it says."""
    raw = os.fsencode(word)
    try:
        raw.decode()
    except UnicodeDecodeError:
        return word.encode("utf-8", "surrogateescape")
    return raw
