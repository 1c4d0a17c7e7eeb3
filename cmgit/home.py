"""Where a user's home of cmgit is, and how its files say what is in it. Part of the short path."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def default_home(environ: Mapping[str, str]) -> str:
    """``$CMGIT_HOME``, else the platform's directory for a user's data, as platformdirs has it.

    The two common platforms are spelt out here, because platformdirs takes longer to import than
    a lookup takes.
    """
    chosen = environ.get("CMGIT_HOME")
    if chosen:
        return os.path.abspath(os.path.expanduser(chosen))
    if sys.platform == "linux":
        base = environ.get("XDG_DATA_HOME", "").strip() or os.path.expanduser("~/.local/share")
        return os.path.abspath(os.path.join(base, "cmgit"))
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Application Support/cmgit")
    from platformdirs import user_data_dir

    return user_data_dir("cmgit", appauthor=False)


def stored_path(home: str, path: str) -> str:
    """An absolute path as the files of a home hold it: relative when it is inside, so that the home
    may be moved, or be mounted elsewhere. ``os.path.join(home, …)`` is what it stands for."""
    inside = path.removeprefix(os.path.join(home, ""))
    return path if os.path.isabs(inside) else inside
