"""``stackgan environment``: what to paste into a bug report."""

from __future__ import annotations

import platform
import sys

from stackgan_cli.commands.options import Json

EPILOG = """Example:

stackgan environment --json"""


def environment(json: Json = False) -> None:
    """Show versions, devices, plugins, models and data: what to paste into a bug report."""
    from importlib.metadata import PackageNotFoundError, version

    from stackgan_cli.components.registry import RESOURCE_GROUPS, available
    from stackgan_cli.components.resources import resources
    from stackgan_cli.console import page, print_json
    from stackgan_cli.home import DATA_MANIFEST, home, names
    from stackgan_cli.machine import choose_machine
    from stackgan_cli.models.finding import model_names

    def found(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "not installed"

    packages = ("stackgan-cli", "torch", "datasets", "numpy", "pillow", "safetensors", "typer", "torchmetrics")
    machine = choose_machine()
    offers = [*available(), *(each for group in RESOURCE_GROUPS for each in resources(group))]
    facts = {
        "python": sys.version.split()[0],
        "system": platform.platform(),
        **{package: found(package) for package in packages},
        "device": str(machine.device),
        "precision": machine.precision,
        "plugins": sorted({each.package for each in offers if not each.built_in}),
        "home": str(home()),
        "data": names("data", DATA_MANIFEST),
        "models": model_names(),
    }
    if json:
        print_json(facts)
    else:
        rows = [[key, ", ".join(value) if isinstance(value, list) else value] for key, value in facts.items()]
        page("Environment", rows)
