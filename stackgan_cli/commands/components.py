"""``stackgan components``: what is installed, what one of them takes, and whether they keep their contracts."""

from __future__ import annotations

import inspect
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackgan_cli.commands.completing import complete_component
from stackgan_cli.commands.options import Json
from stackgan_cli.components import registry
from stackgan_cli.components.binding import Component
from stackgan_cli.components.component import Kind
from stackgan_cli.errors import ComponentError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stackgan_cli.components.binding import Option
    from stackgan_cli.components.conformance import Check

app = typer.Typer(
    help="List, show and check what is installed: encoders, networks, objectives, readers, metrics, commands ...",
    no_args_is_help=True,
)


def _complete_kind() -> list[str]:
    return [kind.slug for kind in Kind]


KindOption = Annotated[
    str | None,
    typer.Option("--kind", help=f"One of: {', '.join(_complete_kind())}.", autocompletion=_complete_kind),
]
NameArgument = Annotated[
    str, typer.Argument(help="Name, or package:name.", autocompletion=complete_component, show_default=False)
]


@app.command(
    "list",
    epilog="Examples: [bold]stackgan components list[/bold] · "
    "[bold]stackgan components list --kind text-encoder --json[/bold]",
)
def list_command(kind: KindOption = None, json: Json = False) -> None:
    """List the installed components without importing any of them."""
    from stackgan_cli import console

    wanted = Kind.parse(kind) if kind else None
    listed = registry.available(wanted)
    broken = _broken(wanted)
    if json:
        console.print_json(
            {
                "components": [_described(component) for component in listed],
                "broken": list(map(asdict, broken)),
            }
        )
        return
    console.table(
        "Components",
        ("kind", "name", "package", "version"),
        [(each.kind.slug, each.name, each.package, each.version) for each in listed],
    )
    _show_broken(broken)
    for package in registry.absent_plugins():
        console.warn(f"{registry.LIMIT_VARIABLE} names {package}, which offers no component here.")


@app.command(
    "show",
    epilog="Examples: [bold]stackgan components show char-cnn-rnn[/bold] · "
    "[bold]stackgan components show paper --kind stage1-generator[/bold]",
)
def show_command(name: NameArgument, kind: KindOption = None, json: Json = False) -> None:
    """Show one component: where it comes from, what it is, and its options."""
    from rich.markup import escape

    from stackgan_cli import console
    from stackgan_cli.components.binding import options_of

    component = registry.find_any(name, Kind.parse(kind) if kind else None)
    command = component.kind is Kind.COMMAND
    options = [] if command else options_of(component)
    summary = f"Its options: stackgan {component.full_name} --help" if command else _summary(component)
    if json:
        described = {**_described(component), "summary": summary, "options": [_option_json(each) for each in options]}
        console.print_json(described)
        return
    console.out.print(f"[bold]{escape(component.full_name)}[/bold]  {escape(component.version)}")
    console.out.print(f"{component.kind.title}, {escape(component.target)}")
    if summary:
        console.out.print(f"\n{escape(summary)}\n")
    if options:
        rows = [(each.name, each.annotation, _default_text(each)) for each in options]
        console.table("Options", ("name", "type", "default"), rows)
    elif not command:
        console.out.print("It takes no options.")


@app.command(
    "check",
    epilog="Examples: [bold]stackgan components check[/bold] · [bold]stackgan components check hashed-words[/bold] · "
    "[bold]stackgan components check paper --kind stage1-generator --option channels=16[/bold]",
)
def check_command(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Names, or package:name; none for all.", autocompletion=complete_component),
    ] = None,
    kind: KindOption = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", help="An option as key=value; may be repeated.", show_default=False)
    ] = None,
    source: Annotated[Path | None, typer.Option("--source", help="For readers: what to read.")] = None,
    json: Json = False,
) -> None:
    """Check that components keep their contracts; exit code 4 where one does not."""
    from stackgan_cli import console
    from stackgan_cli.components.conformance import check_installed
    from stackgan_cli.components.key_values import parse_option

    wanted = Kind.parse(kind) if kind else None
    components = [registry.find_any(name, wanted) for name in names] if names else registry.available(wanted)
    broken = [] if names else _broken(wanted)
    if (option or source) and len(names or []) != 1:
        raise UsageError("--option and --source are for one component.", "Name it: stackgan components check NAME")
    options = dict(parse_option(each) for each in option or [])
    with console.ProgressReport("Checking", len(components), unit="components") as progress:
        checked = []
        for done, component in enumerate(components):
            progress.update(done, words=component.full_name)
            checked.append((component, check_installed(component, options=options, source=source)))
        progress.update(len(components))
    failed = [component for component, checks in checked if not all(each.passed for each in checks)]
    passed = not failed and not broken
    if json:
        results = [_result(component, checks) for component, checks in checked]
        console.print_json({"passed": passed, "components": results, "broken": list(map(asdict, broken))})
    else:
        _show_checks(checked)
        _show_broken(broken)
    if not passed:
        count = len(components) + len(broken)
        console.say(f"{len(failed) + len(broken)} of {count} failed: their packages have to be changed.")
        raise typer.Exit(ComponentError.exit_code)
    console.say("All checks passed.")


def _broken(kind: Kind | None) -> list[registry.BrokenEntry]:
    return [each for each in registry.broken() if kind is None or each.group == kind.group]


def _show_broken(broken: Sequence[registry.BrokenEntry]) -> None:
    from stackgan_cli import console

    if broken:
        rows = [(each.group, each.entry, each.package, each.version, each.reason) for each in broken]
        console.table("Broken", ("group", "entry", "package", "version", "why"), rows)


def _result(component: Component, checks: Sequence[Check]) -> dict[str, Any]:
    passed = all(each.passed for each in checks)
    return {**_described(component), "passed": passed, "checks": list(map(asdict, checks))}


def _show_checks(checked: Sequence[tuple[Component, Sequence[Check]]]) -> None:
    """Show every check of a single component; of several, what failed, and one line for each that passed."""
    from stackgan_cli import console

    if len(checked) == 1:
        ((component, checks),) = checked
        rows = [("ok" if each.passed else "FAILED", each.name, each.detail) for each in checks]
        console.table(
            f"{component.full_name} {component.version}, {component.kind.title}", ("", "check", "what was found"), rows
        )
        return
    lines: list[tuple[str, ...]] = []
    for component, checks in checked:
        who = f"{component.kind.slug} {component.name} of {component.package} {component.version}"
        failed = [("FAILED", who, each.name, each.detail) for each in checks if not each.passed]
        lines += failed or [("ok", who, f"all {len(checks)}", "")]
    console.table("Checks", ("", "component", "check", "what to change"), lines)


def _described(component: Component) -> dict[str, Any]:
    return {
        "kind": component.kind.slug,
        "name": component.name,
        "full_name": component.full_name,
        "package": component.package,
        "version": component.version,
        "target": component.target,
        "built_in": component.built_in,
    }


def _summary(component: Component) -> str:
    """First paragraph of the factory's docstring, on one line."""
    documentation = inspect.getdoc(component.factory()) or ""
    return " ".join(documentation.partition("\n\n")[0].split())


def _default_text(option: Option) -> str:
    if option.host_given:
        return "given by the program"
    return "required" if option.required else repr(option.default)


def _option_json(option: Option) -> dict[str, Any]:
    plain = option.default is None or isinstance(option.default, bool | int | float | str)
    return {
        "name": option.name,
        "type": option.annotation,
        "default": option.default if plain else repr(option.default),
        "required": option.required,
        "host_given": option.host_given,
    }
