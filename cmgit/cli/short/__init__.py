"""Looking things up from a fresh index, in little more than the time that Python takes to start.

It answers what it can answer fully and leaves everything else (another action, an unknown flag, a
stale index, a warning to be printed, any error) to the full command line by returning None.

* :mod:`.words`: which command lines these are.
* :mod:`.find`, :mod:`.text`, :mod:`.counts`, :mod:`.places`, :mod:`.load`: what is answered.
* :mod:`.kept`: what ``load`` printed before.
"""

from __future__ import annotations

import os

from ...errors import CmgitError
from .words import Asked, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...index.lookup import Index
    from ...query import Query

    Answer = Callable[["Index", Query, Asked], tuple[bytes, int] | None]

BROKEN_PIPE = 141
STDOUT, STDERR = 1, 2


def run(words: Sequence[str]) -> int | None:
    """Answer the command line; returns the exit code, or None when this is not its job."""
    if words in (["--version"], ["version"]):
        from ... import __version__

        return write(f"{__version__}\n".encode())
    asked = parse(words)
    if asked is None:
        return None
    from ...home import default_home
    from ...index.lookup import open_fresh
    from ...index.pages import DamagedIndex

    asked.home = default_home(os.environ)
    index = open_fresh(asked.home)
    if index is None or any(r.problem or r.warnings for r in index.manifest.repositories.special):
        return None
    try:
        answer = _answer(index, asked)
    except (CmgitError, DamagedIndex, ValueError):
        return None
    return None if answer is None else write(answer[0]) or answer[1]


def is_lookup(words: Sequence[str]) -> bool:
    """Whether a command line is one that a fresh index may answer."""
    return parse(words) is not None


def _answer(index: Index, asked: Asked) -> tuple[bytes, int] | None:
    """What goes to stdout, and the exit code; None when the full command line has to tell."""
    from ...index.lookup import BUILT_IN_AUTOMATIONS, check_automation
    from ...query import Query

    query = Query.parse(asked.automation, asked.artifact, asked.flag("tags"), asked.flag("repo"))
    name = query.automation
    if query.automation_repo or (query.repo and not index.repository_numbers(query.repo)):
        return None
    if not name.is_pattern and name.accepts("repo", BUILT_IN_AUTOMATIONS["repo"]):
        return None
    check_automation(index, name)
    return _answerer(asked)(index, query, asked)


def _answerer(asked: Asked) -> Answer:
    if asked.action == "tags" or asked.flag("by"):
        from .counts import answer
    elif asked.action == "load":
        from .load import answer
    elif asked.action == "where":
        from .places import answer
    elif asked.flag("text"):
        from .text import answer
    else:
        from .find import answer
    return answer


def write(data: bytes) -> int:
    """Write to stdout in one piece; returns the exit code, that of a broken pipe included."""
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(STDOUT, view) :]
    except BrokenPipeError:
        return BROKEN_PIPE
    except OSError as error:
        os.write(STDERR, f"cmgit: stdout: {error.strerror}\n".encode())
        return 1
    return 0
