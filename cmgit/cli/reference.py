"""The command reference of the README, made from the commands themselves.

``python -m cmgit.cli.reference`` prints it; a test compares it with the README.
"""

from __future__ import annotations

from typing import Any

from .app import all_commands
from .output import out


def reference() -> str:
    """Markdown: for each command its usage, what it does, its options and its examples."""
    return "\n".join(_command(name, command) for name, command in shown().items())


def shown(group: Any = None, before: str = "") -> dict[str, Any]:
    """Every command that is not hidden, by its words; of a group, those in it."""
    found: dict[str, Any] = {}
    commands: dict[str, Any] = group.commands if group else all_commands()
    for name, command in commands.items():
        if hasattr(command, "commands"):
            found |= shown(command, f"{before}{name} ")
        elif not command.hidden:
            found[before + name] = command
    return found


def _command(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.help]
    usage = " ".join(["cmgit", name, *map(_argument, arguments)])
    lines = [f"#### `{usage}`", "", " ".join(command.help.split()), ""]
    lines += [f"- `{_option(option)}`: {option.help}" for option in options]
    lines += [""] if options else []
    lines += [f"{command.epilog}", ""]
    return "\n".join(lines)


def _argument(argument: Any) -> str:
    name = argument.name.upper() + ("…" if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _option(option: Any) -> str:
    names = ", ".join(option.opts)
    return names if option.is_flag else f"{names}=VALUE"


if __name__ == "__main__":
    out.data(reference())
