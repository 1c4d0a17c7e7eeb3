"""The layers of the code: who may import whom, who prints, and what the short path loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cmgit
from cmgit.workspace import Workspace
from tests.conftest import artifact_files, write_files

PACKAGE = Path(cmgit.__file__).parent
LAYERS = [
    "errors home", "ages names", "query", "meta", "grammar index jobs", "lfs store", "artifact repository change scan",
    "registry", "moves observe metafiles sources large", "refresh", "suggest text", "finding", "workspace", "targets",
    "adopt artifacts transfer repositories pull mirror serve", "check history space", "removed", "actions", "cli", "__main__",
]  # fmt: skip
SHORTHANDS = {("workspace", above) for above in ("artifacts", "history", "pull")}
"""The methods of Workspace that stand for functions of the layers above it."""

ONLY = {"dulwich": "store", "xxhash": "index", "typer": "cli", "tantivy": "text", "rich": "cli"}
OUTPUT = {"cli/output.py"}
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names.split()}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_layers(path: Path) -> None:
    """Imports point down; one package each imports dulwich and xxhash, one prints, one reads argv."""
    place = path.relative_to(PACKAGE)
    here, tree = place.with_suffix("").parts[0], ast.parse(path.read_bytes())
    for package, module in imports(tree, place):
        if package != "cmgit":
            assert ONLY.get(package, here) == here, f"only {ONLY[package]} imports {package}"
        elif module != here and (here, module) not in SHORTHANDS:
            assert RANK[module] <= RANK[here], f"{here} imports {module}, which is above it"
    uses = {
        ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute)
    }
    assert place.as_posix() in OUTPUT or not uses & {"print", "sys.stdout", "sys.__stdout__"}
    assert here == "cli" or not uses & {"sys.argv", "sys.exit"}


def imports(tree: ast.AST, place: Path) -> Iterator[tuple[str, str]]:
    """What a module imports, as package and first module in it, wherever the statement stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield tuple(f"{alias.name}.".split(".")[:2])  # type: ignore[misc]
        elif isinstance(node, ast.ImportFrom):
            parents = ["cmgit", *place.parts[:-1]]
            base = parents[: len(parents) + 1 - node.level] if node.level else []
            for alias in node.names:
                name = ".".join([*base, *filter(None, [node.module]), alias.name])
                if name != "cmgit.__version__":
                    yield tuple(name.split(".")[:2])  # type: ignore[misc]


SLOW = {
    "collections.abc", "dataclasses", "dulwich", "filelock", "importlib.metadata", "json", "orjson",
    "pathlib", "platformdirs", "re", "rich", "ruamel", "ruamel.yaml", "tempfile", "typer", "typing",
    "yaml",
}  # fmt: skip
FIND = "import sys; from cmgit.cli import main; main()"


LOADED = """\
{{
  "alias": "detect-os",
  "automation_alias": "script",
  "automation_uid": "5b4e0237da074764",
  "tags": [
    "detect-os"
  ],
  "uid": "0000000000000001"
}}
"""


def loaded(code: str, *words: str) -> tuple[str, set[str]]:
    """What Python prints when it runs the code, and the modules that it imports meanwhile."""
    command = [sys.executable, "-X", "importtime", "-c", code, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return done.stdout, {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["find", "script", "detect-os"], "script local:detect-os,0000000000000001\n"),
        (["ls", "script", "--tags=detect-os,-x", "--count"], "1\n"),
        (["find", "script", "d?tect-*", "--limit=0"], ""),
        (["find", "script", "--sort=uid", "--path", "--strict"], "{local}/script/detect-os\n"),
        (["where", "script", "detect-os"], "{local}/script/detect-os\n"),
        (["tags", "script"], "1 detect-os\n"),
        (["find", "--by=repo", "--json"], '{{"count":1,"name":"local,9a3280b14a4285c9"}}\n'),
        (["load", "script", "detect-os"], LOADED),
        (["version"], f"{cmgit.__version__}\n"),
    ],
)
def test_what_the_short_path_loads(workspace: Workspace, words: list[str], answer: str) -> None:
    """A lookup from a fresh index loads nothing big, and little beyond bare Python."""
    local = Path(workspace.home, "local")
    write_files(local, artifact_files("detect-os"))
    for before in (["load", "script"], ["find", "--text=detect"]):
        loaded(FIND, *before)
    printed, modules = loaded(FIND, *words)
    _, bare = loaded("pass")
    assert printed == answer.format(local=local)
    extra = modules - bare
    assert not extra & SLOW
    assert not [name for name in extra if name.split(".")[0] in SLOW]
    assert len(extra) < 33, sorted(extra)


def test_what_text_search_loads(workspace: Workspace) -> None:
    """The same, and the engine with what it imports itself."""
    write_files(Path(workspace.home, "local"), artifact_files("detect-os"))
    loaded(FIND, "find", "--text=detect")
    printed, modules = loaded(FIND, "find", "--text=detect", "--json", "--snippets")
    assert '"alias":"detect-os"' in printed
    assert not (modules - loaded("import tantivy")[1]) & SLOW


def test_a_stale_index_is_not_for_the_short_path(workspace: Workspace) -> None:
    """After an edit the index is brought up to date first, for which Typer is not needed."""
    workspace.index()
    write_files(Path(workspace.home, "local"), artifact_files("detect-os"))
    printed, modules = loaded(FIND, "find", "script")
    assert printed == "script local:detect-os,0000000000000001\n"
    assert {"dulwich", "orjson", "yaml"} <= modules
    assert not {"typer", "pydantic"} & modules
