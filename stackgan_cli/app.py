"""The command line: one Typer app, and a main function that turns errors into one message and an exit code."""

from __future__ import annotations

import io
import os
import sys

import typer

from stackgan_cli.commands import environment, evaluate, generate, info, prepare, train
from stackgan_cli.commands.components import app as components
from stackgan_cli.commands.recipes import app as recipes
from stackgan_cli.errors import INTERRUPTED, StackganError

HELP = """Turn a sentence into a picture with a two-stage GAN, and train one on your own captioned pictures.

    stackgan generate "a small red bird"

Exit codes: 0 done, 1 failure, 2 usage, 3 data or settings, 4 component, 5 model folder, 130 interrupted (after saving).
Data and models live in $STACKGAN_HOME; wherever a name is taken, a path is too.
"""

app = typer.Typer(
    name="stackgan",
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"stackgan {version('stackgan-cli')}")  # noqa: T201
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
    ),
) -> None:
    """Options before the command."""


app.callback(help=HELP)(options)
app.command("prepare", epilog=prepare.EPILOG)(prepare.prepare)
app.command("train-stage1", epilog=train.STAGE1_EPILOG)(train.train_stage1)
app.command("train-stage2", epilog=train.STAGE2_EPILOG)(train.train_stage2)
app.command("generate", epilog=generate.EPILOG)(generate.generate)
app.command("evaluate", epilog=evaluate.EPILOG)(evaluate.evaluate)
app.add_typer(recipes, name="recipes")
app.add_typer(components, name="components")
app.command("info", epilog=info.EPILOG)(info.info)
app.command("environment", epilog=environment.EPILOG)(environment.environment)


def main() -> None:
    """Run the command line and exit; no traceback is shown unless ``STACKGAN_DEBUG=1``."""
    try:
        _run()
    except SystemExit as ended:
        if os.environ.get("WORLD_SIZE", "1") != "1":
            _end_now(ended.code)
        raise


def _end_now(code: str | int | None) -> None:
    """End one of the processes of a distributed run without the interpreter's leave-taking.

    Threads of the process group outlive it (a network that was shared keeps it in memory), and one that still has a
    tensor to give back when the interpreter is gone aborts the process.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _run() -> None:
    from stackgan_cli.console import err, show_error

    for stream in (sys.stdout, sys.stderr):
        # Names of files may hold what the terminal cannot show.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except StackganError as error:
        if os.environ.get("STACKGAN_DEBUG") == "1":
            raise
        show_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("Interrupted.")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("STACKGAN_DEBUG") == "1":
            raise
        show_error(_unexpected(error))
        sys.exit(1)


def _unexpected(error: Exception) -> StackganError:
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return StackganError(
            f"The system refused: {error.strerror or error}{where}.",
            hint="Check the disk, the path and its permissions.",
        )
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return StackganError("The memory is used up.", hint="--set batch_size=8, or another --device")
    return StackganError(
        f"Something unexpected happened: {type(error).__name__}: {error}",
        hint="run it again with STACKGAN_DEBUG=1, and report what it shows with the output of: stackgan environment",
    )
