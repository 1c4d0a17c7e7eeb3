"""The Typer application: how words find their command, and how errors become exit codes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import __version__
from ..errors import ActionNotFound, UsageError
from ..grammar import ALIASES, is_repo, read_input_file
from .complete import join_words
from .output import guarded, out
from .words import translate

_GROUPS = {"mirror": ("mirror", "mirror_checks", "mirror_files"), "lfs": ("lfs",)}
"""Which modules have the commands of a group."""
_COMPLETING = "_CMGIT_COMPLETE"  # the variable by which a shell asks for completions
_HALF = "cmgit.words"  # where a context keeps the words of a command that is not all there


class Commands(TyperGroup):
    """Commands of one or two words: ``pull repo`` is one of its own, ``pull`` may be another."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command of a command line: the longest that fits, aliases included."""
        if ctx.resilient_parsing and len(args) == 1 and self._is_half(args[0]):
            ctx.meta[_HALF] = args  # a shell asks for the second word
            return None, None, args
        names = _first(args[0])
        flags, second = _next_word(args)
        for name in names:
            command = self.commands.get(f"{name} {_second(second)}")
            if command is not None and _all_whole(command, flags):
                rest = args[len(flags) + 2 :]
                return command.name, command, _with_json(command, [*flags, *rest])
        for name in names:
            command = self.commands.get(name)
            if command is not None:
                return name, command, _with_json(command, args[1:])
        if ctx.resilient_parsing:  # a shell asks for completions, and there are none
            ctx.meta[_HALF] = args
            return None, None, args
        raise self._unknown(args)

    def _is_half(self, word: str) -> bool:
        """Whether a word is the first of two, and no command that is shown by itself."""
        alone = self.commands.get(word)
        return (alone is None or alone.hidden) and any(
            name.startswith(f"{word} ") for name in self.commands
        )

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """What a shell offers: the first words of commands, or the second after the first."""
        before = "".join(f"{word} " for word in ctx.meta.get(_HALF, ()))
        items: dict[str, Any] = {}
        for item in super().shell_complete(ctx, before + incomplete):
            item.value = item.value.removeprefix(before).split(" ")[0]
            items.setdefault(item.value, item)
        alone = self.commands.get(before.strip())
        return [
            *items.values(),
            *(alone.params[0].shell_complete(ctx, incomplete) if alone else ()),
        ]

    def _unknown(self, args: list[str]) -> ActionNotFound:
        automation = f" for automation {args[1]!r}" if len(args) > 1 else ""
        return ActionNotFound(f"action {args[0]!r} not found{automation}", self._hint(args))

    def _hint(self, args: list[str]) -> str:
        """The command that words may have meant which are none."""
        if args[0] == "help":
            return f"see '{' '.join(['cmgit', *args[1:], '--help'])}'"
        words = [*self.commands, *ALIASES]
        if len(args) > 1 and any(f"{word} ".startswith(f"{args[1]} ") for word in words):
            return f"the action comes first: cmgit {args[1]} {args[0]}"
        longer = [word for word in words if word.startswith(f"{args[0]} ")]
        close = longer or get_close_matches(args[0], words, 1)
        return f"did you mean {close[0]!r}?" if close else "see 'cmgit --help'"


def _first(word: str) -> list[str]:
    """What the first word of a command may stand for."""
    word = word.replace("_", "-")
    return [ALIASES.get(word, word), word]


def _second(word: str) -> str:
    """The second word of a command: ``repo`` in any case, by its UID, or both."""
    with suppress(UsageError):
        if is_repo(word):
            return "repo"
    return word


def _next_word(args: list[str]) -> tuple[list[str], str]:
    """The flags between the first and the second word, and the second word."""
    for at, word in enumerate(args[1:], 1):
        if not word.startswith("-"):
            return args[1:at], word
    return [], ""


def _all_whole(command: Any, flags: list[str]) -> bool:
    """Whether no flag takes the word behind it for its value."""
    options = [p for p in command.params if getattr(p, "is_flag", False)]
    switches = {name for option in options for name in option.opts}
    return all("=" in flag or flag in switches for flag in flags)


def _with_json(command: Any, words: list[str]) -> list[str]:
    """CM's ``--out=json`` is ``--json`` where that prints the whole return dict already."""
    options = {name for parameter in command.params for name in parameter.opts}
    if "--out" in options or "--json" not in options:
        return words
    end = words.index("--") if "--" in words else len(words)
    return ["--json" if w == "--out=json" else w for w in words[:end]] + words[end:]


app = typer.Typer(
    cls=Commands,
    name="cmgit",
    help="A Git-native collective database of reusable artifacts.",
    epilog="Examples: cmgit pull repo package:cmx4mlops; cmgit find script --tags=detect,os",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


_groups: dict[str, typer.Typer] = {}


def group(name: str, text: str, epilog: str) -> typer.Typer:
    """A command that has commands of its own; by itself it prints its help."""
    made = typer.Typer(name=name, help=text, epilog=epilog, rich_markup_mode=None)

    @made.callback(invoke_without_command=True)
    def _alone(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            out.line(context.get_help())

    app.add_typer(made)
    _groups[name] = made
    return made


def _print_version(wanted: bool) -> None:
    if wanted:
        out.line(__version__)
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """A Git-native collective database of reusable artifacts.

    Words: cmgit ACTION AUTOMATION [REPO:]ARTIFACT --flags. A name may be an alias, a UID,
    both (alias,UID), or a pattern with * and ?.
    """


def _add_commands() -> None:
    """Import the modules that add the commands to the application."""
    from . import (  # noqa: F401
        artifacts,
        history,
        lfs,
        mirror,
        mirror_checks,
        mirror_files,
        repositories,
        serve,
        space,
    )


def all_commands() -> dict[str, Any]:
    """Every command and group of the program, by its words."""
    _add_commands()
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return commands


def run_app(words: Sequence[str]) -> int:
    """Run a command line; returns the exit code. Prints errors as one line, and a hint."""
    join_words(os.environ)
    return guarded(lambda: _run(words))


def _needed(words: Sequence[str]) -> typer.Typer:
    """The application with only the commands that begin as a command line does, where one of
    them is sure to be meant: Typer takes longer to make all of them than most commands run."""
    if words[0] in _GROUPS and len(words) > 1 and _COMPLETING not in os.environ:
        return _needed_of_group(*words[:2])
    from . import artifacts, history, repositories  # noqa: F401

    names, (flags, second) = _first(words[0]), _next_word(list(words))
    commands = {command.name or "": command for command in app.registered_commands}
    sure = not flags and {f"{name} {_second(second)}" for name in names} & commands.keys()
    if not (sure or set(names) & commands.keys()) or _COMPLETING in os.environ:
        _add_commands()
        return app
    small = copy(app)
    small.registered_commands = [
        command for name, command in commands.items() if name.split(" ")[0] in names
    ]
    small.registered_groups = []
    return small


def _needed_of_group(name: str, word: str) -> typer.Typer:
    """The application with one command of a group; with all when the group has none so named."""
    commands: list[Any] = []
    for module in _GROUPS[name]:
        import_module(f".{module}", __package__)
        whole = _groups[name]
        commands = [command for command in whole.registered_commands if command.name == word]
        if commands:
            break
    small, group = copy(app), copy(whole)
    group.registered_commands = commands or whole.registered_commands
    small.registered_commands, small.registered_groups = [], []
    small.add_typer(group)
    return small


def _run(words: Sequence[str]) -> int:
    try:
        words = translate(words, read_input_file) or ["--help"]
        result = _needed(words)(words, prog_name="cmgit", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except typer.Abort:
        raise KeyboardInterrupt from None
    except typer.Exit as done:
        return done.exit_code
    except typer.TyperException as error:
        raise _usage_error(error) from None


def _usage_error(error: Any) -> UsageError:
    """The same in one line: click puts its suggestions into ``format_message``."""
    command = getattr(getattr(error, "ctx", None), "command_path", "cmgit")
    return UsageError(" ".join(error.format_message().split()), f"see '{command} --help'")


def finish(code: int) -> None:
    """End a command with an exit code."""
    if code:
        raise typer.Exit(code)
