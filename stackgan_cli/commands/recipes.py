"""``stackgan recipes``: which recipes there are, what one of them says, and a copy of one to change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stackgan_cli.commands.completing import complete_recipe
from stackgan_cli.commands.options import Json

app = typer.Typer(help="List, show and copy recipes: the settings that stages are trained with.", no_args_is_help=True)

RecipeArgument = Annotated[
    str,
    typer.Argument(help="Name, package:name, or a .toml file.", autocompletion=complete_recipe, show_default=False),
]
FileArgument = Annotated[
    Path | None, typer.Argument(help="The .toml file to write.", show_default="its name, in the current folder")
]


@app.command("list", epilog="Examples: [bold]stackgan recipes list[/bold] · [bold]stackgan recipes list --json[/bold]")
def list_command(json: Json = False) -> None:
    """List the installed recipes, importing none of the packages that bring them."""
    from stackgan_cli import console
    from stackgan_cli.components.resources import broken_resources
    from stackgan_cli.errors import StackganError
    from stackgan_cli.recipes.finding import GROUP, recipes
    from stackgan_cli.recipes.loading import load_recipe

    listed: list[dict[str, str]] = []
    broken = [
        {"name": each.entry, "package": each.package, "version": each.version, "why": each.reason}
        for each in broken_resources(GROUP)
    ]
    for each in recipes():
        row = {"name": each.name, "package": each.package, "version": each.version}
        try:
            listed.append({**row, "summary": load_recipe(each.full_name).summary})
        except StackganError as error:
            broken.append({**row, "why": error.message})
    if json:
        console.print_json({"recipes": listed, "broken": broken})
        return
    for title, rows in (("Recipes", listed), ("Broken", broken)):
        if rows:
            console.table(title, rows[0], [row.values() for row in rows])


@app.command(
    "show",
    epilog="Examples: [bold]stackgan recipes show NAME[/bold] · [bold]stackgan recipes show mine.toml --json[/bold]",
)
def show_command(recipe: RecipeArgument, json: Json = False) -> None:
    """Print a recipe, with all that it extends, as a .toml file that says what each setting means."""
    from stackgan_cli import console
    from stackgan_cli.recipes.loading import load_recipe
    from stackgan_cli.recipes.writing import explained

    found = load_recipe(recipe)
    if json:
        console.print_json(found.model_dump(mode="json"))
    else:
        console.out.out(explained(found), end="", highlight=False)


@app.command(
    "copy",
    epilog="Examples: [bold]stackgan recipes copy NAME[/bold] · [bold]stackgan recipes copy NAME mine.toml[/bold]",
)
def copy_command(recipe: RecipeArgument, file: FileArgument = None, json: Json = False) -> None:
    """Write what [bold]show[/bold] prints to a file of your own, to change it; a file that exists is left alone."""
    from stackgan_cli import console
    from stackgan_cli.errors import UsageError
    from stackgan_cli.recipes.loading import load_recipe
    from stackgan_cli.recipes.writing import explained

    target = file or Path(f"{Path(recipe).stem.rpartition(':')[2]}.toml")
    if target.suffix != ".toml":
        raise UsageError(f"{target} does not end in .toml, as recipe files do.", hint=f"{target}.toml")
    text = explained(load_recipe(recipe))
    try:
        with target.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise UsageError(f"{target} exists already, so it is left alone.", hint="Name another file.") from None
    if json:
        console.print_json({"recipe": recipe, "file": str(target)})
    else:
        console.out.print(str(target), markup=False)
        console.say(f"Change it, and use it with: --recipe {target}")
