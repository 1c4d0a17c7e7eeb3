"""Where a user's home of cmgit is. Part of the short path of ``find``."""

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
        return os.path.join(base, "cmgit")
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Application Support/cmgit")
    from platformdirs import user_data_dir

    return user_data_dir("cmgit", appauthor=False)
