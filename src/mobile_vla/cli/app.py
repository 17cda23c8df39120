"""The `mobile-vla` command: finds the commands in this package and runs one of them.

One new file adds a command. A module `cli/<name>.py` that holds `app: typer.Typer` becomes the group `mobile-vla <name>`; one
that holds a function called `<name>` becomes the command `mobile-vla <name>`. Its docstring is the help. Every module here is
imported at each start, so what is heavy (torch, mujoco, h5py, matplotlib) is imported inside the function that needs it.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mobile_vla import __version__, cli
from mobile_vla.cli.error_messages import errors_as_messages

_DEBUG = "--debug"


class CommandGroup(TyperGroup):
    """The top of the command line: its commands report errors as messages (see `cli.error_messages`)."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command. Here, not around the whole, because Typer turns a Ctrl-C into a silent exit further out."""
        with errors_as_messages(debug=bool(ctx.params.get("debug"))):
            return super().invoke(ctx)


def main() -> None:
    """Run the command line on `sys.argv`. Exit codes: 0 done, 1 an error that has a remedy, 2 wrong usage, 130 interrupted."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: waiting threads that spin starve everybody else's
    arguments = debug_first(sys.argv[1:])
    with errors_as_messages(debug=_DEBUG in arguments[:1]):
        app = build_app()  # imports every command: a missing package is already told here
    app(arguments, prog_name="mobile-vla")


def build_app() -> typer.Typer:
    """Return the application with every command of this package."""
    app = typer.Typer(cls=CommandGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(_global_options)
    for found in sorted(pkgutil.iter_modules(cli.__path__), key=lambda module: module.name):
        if found.name != "app":
            add_commands(app, importlib.import_module(f"{cli.__name__}.{found.name}"))
    return app


def add_commands(app: typer.Typer, module: ModuleType) -> None:
    """Add the group or the command that `module` holds to `app`; a module that holds neither is left alone."""
    name = module.__name__.rpartition(".")[2]
    group, command = getattr(module, "app", None), getattr(module, name, None)
    if isinstance(group, typer.Typer):
        app.add_typer(group, name=name.replace("_", "-"))
    elif callable(command):
        app.command(name.replace("_", "-"))(command)


def debug_first(arguments: Sequence[str]) -> list[str]:
    """Return `arguments` with `--debug` moved to the front, so that it may also be added to the end of the line that failed."""
    rest = [argument for argument in arguments if argument != _DEBUG]
    return rest if len(rest) == len(arguments) else [_DEBUG, *rest]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"mobile-vla {__version__}")
        raise typer.Exit


def _global_options(
    debug: Annotated[bool, typer.Option(_DEBUG, envvar="MOBILE_VLA_DEBUG", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Train, judge and deploy vision-language-action policies for mobile robots."""


if __name__ == "__main__":
    main()
