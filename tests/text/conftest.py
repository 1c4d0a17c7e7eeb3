"""Asking a text index."""

from __future__ import annotations

from cmgit.text.lookup import TextIndex
from cmgit.text.update import Updater
from cmgit.workspace import Workspace


def text_index(workspace: Workspace) -> TextIndex:
    """The text index of a workspace, up to date."""
    return Updater(workspace.home, workspace.index, workspace.report, workspace.jobs).fresh()


def ask(workspace: Workspace, text: str, *words: str, **options: str) -> list[str]:
    """The aliases of what a text search finds, best first."""
    found = workspace.find(*(words or ("*",)), text=text, **options)
    return [artifact.alias for artifact in found]
