"""How the command line is read: Typer finds the command, and what it cannot read becomes an error like any other."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from stackgan_cli.errors import StackganError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(app: typer.Typer, arguments: Sequence[str], program: str = "stackgan") -> None:
    """Run the command that the arguments name, and exit; a whole number that a command returns is its exit code.

    Typer would show a wrong call by itself, and with it whatever the arguments hold for the terminal to obey.

    Args:
        app: of this program, or of a package.
        arguments: without the program.
        program: what help calls it.

    Raises:
        SystemExit: the command has run.
        UsageError: there is no such command or option, or an argument cannot be read.
        StackganError: the person answered a question of the command with no.
    """
    try:
        ended = app(args=list(arguments), prog_name=program, standalone_mode=False)
    except typer.TyperException as error:
        message = " ".join(error.format_message().replace("Value error, ", "").split())
        if not message:
            # No command was named, and the help page has been shown in place of it.
            sys.exit(UsageError.exit_code)
        command = getattr(getattr(error, "ctx", None), "command_path", program)
        raise UsageError(message if message[-1] in ".?" else f"{message}.", hint=f"{command} --help") from error
    except typer.Abort as error:
        raise StackganError("Aborted.") from error
    sys.exit(ended if isinstance(ended, int) and not isinstance(ended, bool) else 0)
