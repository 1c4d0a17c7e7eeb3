"""``cmgit serve`` as a process."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from cmgit.workspace import Workspace
from tests.cli import SCRIPT, bad
from tests.conftest import MakeRepo, run_git


@pytest.mark.parametrize(("how", "as_json"), [(signal.SIGINT, False), (signal.SIGTERM, True)])
def test_serve(
    workspace: Workspace, make_repo: MakeRepo, tmp_path: Path, how: int, as_json: bool
) -> None:
    """It prints its URL, serves, tells of requests when asked to, and ends cleanly."""
    workspace.pull(url=str(make_repo("demo", "a")))
    command = [SCRIPT, "serve", "--git", "--port=0", "--verbose"]
    command += ["--json"] if as_json else []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_heed
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        url = json.loads(line)["url"] if as_json else line
        run_git(tmp_path, "clone", "-q", f"{url}/demo", "clone")
        process.send_signal(how)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert '"GET /demo/info/refs?service=git-upload-pack HTTP/1.1" 200' in err
    assert "Traceback" not in err


def _heed() -> None:
    """What is started in the background by a shell ignores interrupts, and so do its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_words(workspace: Workspace) -> None:
    """What to serve has to be said, where only if it makes sense."""
    assert "--git" in bad(1, "serve")
    assert "nowhere.invalid:0" in bad(1, "serve", "--git", "--port=0", "--host=nowhere.invalid")
    bad(1, "serve", "--git", "--port=70000")
