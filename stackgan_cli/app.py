"""The command line: one Typer app, and a main function that turns errors into one message and an exit code."""

from __future__ import annotations

import functools
import io
import os
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import Distribution, EntryPoints, version

import typer

from stackgan_cli.commands import convert, environment, evaluate, export, generate, info, prepare, push, serve, train
from stackgan_cli.commands.calling import run
from stackgan_cli.commands.components import app as components
from stackgan_cli.commands.plugin_commands import PluginCommands
from stackgan_cli.commands.recipes import app as recipes
from stackgan_cli.errors import INTERRUPTED, StackganError, is_out_of_memory
from stackgan_cli.files import remedy
from stackgan_cli.interrupts import INTERRUPTS

HELP = """Turn a sentence into a picture with a two-stage GAN, and train one on your own captioned pictures.

    stackgan generate "a small red bird"

Exit codes: 0 done, 1 failure, 2 usage, 3 data or settings, 4 component, 5 model folder, 130 interrupted by Ctrl-C \
or SIGTERM, with a word on what is kept and which command goes on.
Data and models live in $STACKGAN_HOME; wherever a name is taken, a path is too.
"""

_COMMANDS: Mapping[str, tuple[Callable[..., None], str]] = {
    "prepare": (prepare.prepare, prepare.EPILOG),
    "train-stage1": (train.train_stage1, train.STAGE1_EPILOG),
    "train-stage2": (train.train_stage2, train.STAGE2_EPILOG),
    "generate": (generate.generate, generate.EPILOG),
    "evaluate": (evaluate.evaluate, evaluate.EPILOG),
    "serve": (serve.serve, serve.EPILOG),
    "info": (info.info, info.EPILOG),
    "export": (export.export, export.EPILOG),
    "push": (push.push, push.EPILOG),
    "convert": (convert.convert, convert.EPILOG),
    "environment": (environment.environment, environment.EPILOG),
}
_GROUPS = {"recipes": recipes, "components": components}


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"stackgan {version('stackgan-cli')}")  # noqa: T201
        raise typer.Exit


def _options(
    version: bool = typer.Option(
        False, "--version", "-V", help="Show the version and exit.", callback=_show_version, is_eager=True
    ),
) -> None:
    """Options before the command."""


def _application(plugins: PluginCommands) -> typer.Typer:
    """Put the commands of this package and those of installed packages together."""
    app = typer.Typer(
        name="stackgan",
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(help=HELP)(_options)
    for name, (command, epilog) in _COMMANDS.items():
        app.command(name, epilog=epilog)(command)
    for name, group in _GROUPS.items():
        app.add_typer(group, name=name)
    plugins.add_to(app)
    return app


def main() -> None:
    """Run the command line and exit; no traceback is shown unless ``STACKGAN_DEBUG=1``."""
    _pass_over_malformed_packages()
    for library in ("HF_HUB", "HF_DATASETS"):
        # What is done is told by this program alone.
        os.environ.setdefault(f"{library}_DISABLE_PROGRESS_BARS", "1")
    try:
        _run()
    except SystemExit as ended:
        if os.environ.get("WORLD_SIZE", "1") != "1":
            _end_now(ended.code)
        raise


@functools.cache
def _pass_over_malformed_packages() -> None:
    """Give a package whose entry points cannot be read none at all, in this process, which is ours alone.

    Libraries that read everybody's entry points while they are imported, as fsspec does for datasets, fail over it.
    """
    read = Distribution.entry_points.fget  # type: ignore[attr-defined]  # typeshed hides that it is a property

    def readable(distribution: Distribution) -> EntryPoints:
        try:
            return read(distribution)  # type: ignore[no-any-return]
        except (TypeError, ValueError):
            return EntryPoints()

    Distribution.entry_points = property(readable)  # type: ignore[method-assign,assignment]


def _end_now(code: str | int | None) -> None:
    """End one of the processes of a distributed run without the interpreter's leave-taking.

    Threads of the process group outlive it (a network that was shared keeps it in memory), and one that still has a
    tensor to give back when the interpreter is gone aborts the process.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _run() -> None:
    from stackgan_cli.console import show_error

    for stream in (sys.stdout, sys.stderr):
        # Names of files may hold what the terminal cannot show.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with INTERRUPTS:
            _interruptible()
    except StackganError as error:
        if os.environ.get("STACKGAN_DEBUG") == "1":
            raise
        show_error(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("STACKGAN_DEBUG") == "1":
            raise
        show_error(_unexpected(error))
        sys.exit(1)


def _interruptible() -> None:
    """Run the command that was asked for; where it is interrupted, say what is kept and which command goes on."""
    from stackgan_cli.console import say

    try:
        plugins = PluginCommands(taken=[*_COMMANDS, *_GROUPS])
        run(_application(plugins), plugins.passing_on(sys.argv[1:]))
    except (KeyboardInterrupt, SystemExit, Exception) as error:
        # Typer gives this code where it meets the interrupt; libraries may make any error of it.
        ended = isinstance(error, SystemExit)
        interrupted = error.code == INTERRUPTED if ended else INTERRUPTS.received  # type: ignore[union-attr]
        if not interrupted and not isinstance(error, KeyboardInterrupt):
            raise
        say(INTERRUPTS.told())
        sys.exit(INTERRUPTED)


def _unexpected(error: Exception) -> StackganError:
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return StackganError(
            f"The system refused: {error.strerror or error}{where}.",
            hint=remedy(error),
        )
    if is_out_of_memory(error):
        return StackganError("The memory is used up.", hint="another --device; for training, --set batch_size=8 too")
    return StackganError(
        f"Something unexpected happened: {type(error).__name__}: {error}",
        hint="run it again with STACKGAN_DEBUG=1, and report what it shows with the output of: stackgan environment",
    )
