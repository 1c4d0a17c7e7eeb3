"""Every error that cmgit raises on purpose, in one tree.

    CmgitError (1)
    ├── UsageError (1)                  the words of a command or a name make no sense
    ├── AmbiguousError (1)              one artifact was asked for, several match
    ├── GitError (1)
    │   ├── RefMoved                    somebody else moved the branch, several times over
    │   ├── Busy                        a lock is held, a merge or rebase is under way
    │   ├── Unsupported                 a repository format that cmgit does not read
    │   ├── RemoteError                 the other side of a pull failed
    │   ├── Damaged                     objects are missing or do not match their ids
    │   └── Untrusted                   a signature is missing, wrong, or nobody's who may sign
    ├── ManyAutomations (2)             several automations match
    ├── AutomationNotInRepository (3)
    ├── AutomationNotFound (4)
    ├── ActionNotFound (4)
    ├── MetaError (4)                   a meta description cannot be read
    ├── AlreadyExists (8)
    ├── InheritanceTooDeep (8)
    └── NotFound (16)                   an artifact, repository, revision or file

The number is the process exit code and the ``return`` of :func:`cmgit.access`; CM uses the same
ones. ``hint`` says what to do next, in the words of the command line, or is empty.
"""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """The words for so many: ``1 file``, ``2 files``."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


class CmgitError(Exception):
    """The root of all errors: a one-line message, and a ``hint`` for the next step."""

    code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(CmgitError):
    """The words of a command, a name or a query make no sense."""


class AmbiguousError(CmgitError):
    """One artifact was asked for and several match."""


class GitError(CmgitError):
    """Something about a Git repository."""


class RefMoved(GitError):
    """The branch moved under a change, again and again."""


class Busy(GitError):
    """Another program holds a lock, or is in the middle of a merge or a rebase."""


class Unsupported(GitError):
    """A repository format or feature that cmgit does not read."""


class RemoteError(GitError):
    """A remote repository could not be reached or read."""


class Damaged(GitError):
    """Git objects are missing or do not match their ids."""


class Untrusted(GitError):
    """A signature is missing, wrong, or made by nobody who is allowed to."""


class ManyAutomations(CmgitError):
    """Several automations match where one is needed."""

    code = 2


class AutomationNotInRepository(CmgitError):
    """The automation is not in the repository that was named."""

    code = 3


class AutomationNotFound(CmgitError):
    """No repository holds the automation."""

    code = 4


class ActionNotFound(CmgitError):
    """The automation has no such action."""

    code = 4


class MetaError(CmgitError):
    """A meta description cannot be read; the message names file and line."""

    code = 4


class AlreadyExists(CmgitError):
    """The place is taken."""

    code = 8


class InheritanceTooDeep(CmgitError):
    """A chain of ``_base`` is longer than ten, or runs in a circle."""

    code = 8


class NotFound(CmgitError):
    """No such artifact, repository, revision or file."""

    code = 16
