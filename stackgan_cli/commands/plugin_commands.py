"""Sub-commands that installed packages bring, in the entry-point group ``stackgan.commands``.

They are listed from the metadata alone; a package is imported when its command is called, and not before.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import typer

from stackgan_cli.commands.calling import run
from stackgan_cli.components import registry
from stackgan_cli.components.component import Kind, blaming

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_PANEL = "Commands of installed packages"


class PluginCommands:
    """The sub-commands that are not this package's own.

    A name that is taken, or that two packages offer, is written in full: ``stackgan PACKAGE:NAME``. So nothing takes a
    command of this package over.

    Args:
        taken: names of this package's own commands.
    """

    def __init__(self, taken: Collection[str]) -> None:
        commands = registry.available(Kind.COMMAND)
        offers = Counter([*taken, *(each.name for each in commands)])
        self._listed = {each.name if offers[each.name] == 1 else each.full_name: each for each in commands}
        broken = [each.entry for each in registry.broken() if each.group == Kind.COMMAND.group]
        usable = [name for name in broken if registry.COMPONENT_NAME.fullmatch(name) and name not in offers]
        # Whoever calls one of these is told what is wrong with it.
        self._hidden = {*usable, *(each.full_name for each in commands)} - {*self._listed}

    def add_to(self, app: typer.Typer) -> None:
        """Add a command to the application for each of them, which stands for it until it is called."""
        for name, component in self._listed.items():
            _add(app, name, f"from {component.package} {component.version}")
        for name in sorted(self._hidden):
            _add(app, name)

    def passing_on(self, arguments: Sequence[str]) -> list[str]:
        """Keep what follows one of these commands, its ``--help`` too, from being read as options of this program."""
        name = arguments[0] if arguments else ""
        if name in self._listed or name in self._hidden:
            return [name, "--", *arguments[1:]]
        return list(arguments)


def _add(app: typer.Typer, name: str, words: str | None = None) -> None:
    """Add a command that stands for one that is not imported yet; without words it is not listed."""
    settings = {"allow_extra_args": True}

    @app.command(name, help=words, hidden=words is None, rich_help_panel=_PANEL, context_settings=settings)
    def call(context: typer.Context) -> None:
        _run(name, context.args)


def _run(name: str, arguments: Sequence[str]) -> None:
    """Import a command and run it.

    Raises:
        ComponentError: it cannot be imported, or fails; errors of this program that it raises pass unchanged.
    """
    component = registry.find(Kind.COMMAND, name)
    command = component.factory()
    if not isinstance(command, typer.Typer):
        single = typer.Typer(pretty_exceptions_enable=False)
        single.command()(command)
        command = single
    with blaming(component.described, "running"):
        run(command, arguments, f"stackgan {name}")
