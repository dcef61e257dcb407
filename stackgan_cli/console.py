"""Where words go: results to stdout, talk to stderr, and one JSON object to stdout where ``--json`` asks for it."""

from __future__ import annotations

import json
import re
import shlex
import textwrap
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.markup import escape
from rich.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    from rich.console import ConsoleOptions, RenderableType
    from rich.live import Live
    from rich.progress import Progress, TaskID
    from rich.text import Text

    from stackgan_cli.errors import StackganError
    from stackgan_cli.progress import Report

_COMMANDING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that a terminal obeys, that turn the direction of what follows, or that are half a character."""


def harmless(text: str) -> str:
    """Write out what a terminal would obey, as JSON escapes it; tabs and line ends stay."""
    return _COMMANDING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class _HarmlessConsole(Console):
    """Shows what files, captions and names hold, and never obeys it; only Rich itself commands the terminal."""

    def render_str(self, text: str, **keywords: Any) -> Text:
        """Turn words into text, in which what is written out takes its room."""
        return super().render_str(harmless(text), **keywords)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Give the pieces of whatever is shown: everything on its way to the terminal comes through here."""
        for piece in super().render(renderable, options):
            yield piece if piece.control else Segment(harmless(piece.text), piece.style)


out: Console = _HarmlessConsole(highlight=False, soft_wrap=True, emoji=False)
err: Console = _HarmlessConsole(stderr=True, highlight=False, emoji=False)

PLAIN_LINE_SECONDS = 30.0
_WIDEST_NAME = 28
"""Characters of what a page calls a fact for it to stand beside the fact, and not above."""
_COMMAND = ": stackgan "
"""What leads from a sentence to the command that it ends with."""


def hush(*, results: bool = True) -> None:
    """Say nothing from now on: what the main process of a distributed run says is enough.

    Args:
        results: whether results are withheld, too.
    """
    out.quiet, err.quiet = results, True


def speak() -> None:
    """Speak again."""
    out.quiet = err.quiet = False


def print_json(value: object) -> None:
    """Write one JSON object to stdout and nothing else."""
    out.out(json.dumps(value, ensure_ascii=False, indent=2), highlight=False)


def say(message: str) -> None:
    """Tell the person something on stderr, leaving stdout to the results."""
    _tell("", message)


def suggest(*command: str) -> None:
    """Say which command comes next, quoted for a shell, on a line that can be copied as it stands."""
    err.print(f"[bold]Next:[/bold] {escape(shlex.join(command))}", soft_wrap=True)


def warn(message: str) -> None:
    """Tell the person something that they may not expect, on stderr."""
    _tell("[yellow]Note:[/yellow] ", message)


@contextmanager
def patience(message: str, after: float = 2.0) -> Iterator[None]:
    """Tell the person what takes so long, if what stands inside takes longer than ``after`` seconds."""
    timer = threading.Timer(after, say, [message])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def show_error(error: StackganError) -> None:
    """Write an error as one message: what happened, and what to do."""
    _tell("[bold red]Error:[/bold red] ", error.message)
    if error.hint:
        _tell("[bold]Try:[/bold] ", error.hint)


def _tell(beginning: str, message: str) -> None:
    """Write a message on stderr: one line in a pipe, wrapped at words on a terminal.

    A command, which ends a message, is never broken, so that it can be copied: where the line is full it stands on the
    next one, for the terminal to wrap. A word that is longer than the line, such as a path, is not broken either.
    Lines of a message that are indented stay lines. Other line ends within it, which only a stranger's name can hold,
    cannot feign another message.
    """
    message = re.sub(r"\n(?! )", " ", "\n".join(message.splitlines()))
    if not err.is_terminal:
        err.print(f"{beginning}{escape(message)}", soft_wrap=True)
        return
    words, mark, command = message.rpartition(_COMMAND)
    whole = message.startswith("stackgan ")
    if whole or not mark or len(message) + 10 <= err.width:
        err.print(f"{beginning}{escape(message)}", soft_wrap=whole, overflow="ignore", crop=False)
        return
    err.print(f"{beginning}{escape(words)}:", overflow="ignore", crop=False)
    err.print(f"  stackgan {escape(command)}", soft_wrap=True)


def _on_one_line(text: str) -> str:
    return " ".join(text.splitlines()) if len(text.splitlines()) > 1 else text


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Print a table of results on stdout; cells are turned into strings, numbers are aligned to the right.

    Where there is no room for it, words go to the next line; only a word that no line holds is broken, and none is cut.
    """
    from rich.table import Table

    heads, cells = list(columns), [list(row) for row in rows]
    written = [[harmless(str(cell)) for cell in line] for line in (heads, *cells)]
    widths = _widths([[line[position] for line in written] for position in range(len(heads))], out.width)
    if widths is not None:
        written = [[_wrapped(cell, width) for cell, width in zip(line, widths, strict=True)] for line in written]
    shown = Table(title=escape(title), title_justify="left", title_style="bold")
    for position, head in enumerate(written[0]):
        numeric = bool(cells) and all(isinstance(row[position], int | float) for row in cells)
        width = None if widths is None else widths[position]
        shown.add_column(escape(head), justify="right" if numeric else "left", width=width, overflow="fold")
    for line in written[1:]:
        shown.add_row(*map(escape, line))
    out.print(shown)


def _widths(columns: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """Widths of columns that hold their longest words and together the room; None where these words have none."""
    from rich.cells import cell_len

    room -= 3 * len(columns) + 1
    lines = [[cell_len(line) for cell in column for line in cell.split("\n")] for column in columns]
    natural = [max(lengths, default=1) for lengths in lines]
    if sum(natural) <= room:
        return natural
    widths = [
        max((cell_len(word) for cell in column for word in _wrapped(cell, 1).split("\n")), default=1)
        for column in columns
    ]
    if sum(widths) > room:
        return None
    for _ in range(room - sum(widths)):
        # So the longest column alone is wrapped, where the others have room.
        narrowest = min((at for at, width in enumerate(widths) if width < natural[at]), key=lambda at: widths[at])
        widths[narrowest] += 1
    return widths


def _wrapped(text: str, width: int) -> str:
    """Lines no longer than a width but for single words; those of two parts may go to the next line at their hyphen."""
    lines = [textwrap.wrap(line, width, break_long_words=False) or [""] for line in text.split("\n")]
    return "\n".join(part for wrapped in lines for part in wrapped)


def page(title: str, facts: Iterable[Sequence[Any]]) -> None:
    """Print facts on stdout, each with what it is called before it: a line each in a pipe, wrapped on a terminal."""
    rows = [(_on_one_line(harmless(str(name))), _on_one_line(harmless(str(value)))) for name, value in facts]
    width = max((len(name) for name, _ in rows if len(name) <= _WIDEST_NAME), default=0)
    out.print(f"[bold]{escape(_on_one_line(title))}[/bold]")
    for name, value in rows:
        start = f"  {name:<{width}}  "
        lines = [value]
        if out.is_terminal and len(name) > width:
            for line in textwrap.wrap(name, max(out.width - 2, 20), break_on_hyphens=False):
                out.print(escape(f"  {line}"))
            start = " " * (width + 4)
        if out.is_terminal:
            # A path or a command keeps its words whole.
            room = max(out.width - len(start), 20)
            lines = textwrap.wrap(value, room, break_long_words=False, break_on_hyphens=False) or [""]
        for number, line in enumerate(lines):
            out.print(escape(start if number == 0 else " " * len(start)) + escape(line))


class ProgressReport:
    """Progress of long work: a bar on a terminal, a plain line every 30 seconds elsewhere.

    Use it as a context manager and call :meth:`update` as often as convenient.
    """

    def __init__(self, title: str, total: int | None, *, unit: str = "", start: int = 0) -> None:
        self._title, self._total, self._unit, self._first = title, total, unit, start
        self._done, self._words = start, ""
        self._bar: Progress | None = None
        self._live: Live | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._started = self._last_line = time.monotonic()
        if err.is_terminal and not err.is_dumb_terminal:
            from rich.live import Live
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}", style="bold", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=err,
            )
            self._task = self._bar.add_task(self._title, total=self._total, completed=self._first, rate="")
            # What is printed on stdout is not redirected, for it would land on stderr; see :meth:`aside`.
            self._live = Live(
                get_renderable=self._shown, console=err, transient=True, refresh_per_second=8, redirect_stdout=False
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        if kind is None:
            say(f"{self._title}: {self._done:,}{self._unit_text()} in {_duration(time.monotonic() - self._started)}.")

    def update(self, done: int, total: int | None = None, words: str = "") -> None:
        """Say how far the work is.

        Args:
            done: units done so far, earlier runs of the same work included.
            total: units in all, where that became known later.
            words: a few words under the bar, such as the losses.
        """
        self._done, self._words = done, words
        self._total = total if total is not None else self._total
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=self._total, rate=self._rate_text())
        elif time.monotonic() - self._last_line >= PLAIN_LINE_SECONDS:
            self._last_line = time.monotonic()
            say(self._plain_line())

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bar away while results are printed on stdout."""
        if self._live is not None:
            self._live.stop()
        try:
            yield
        finally:
            if self._live is not None:
                self._live.start()

    def _shown(self) -> RenderableType:
        """The bar, and under it the words, for which there is no room beside it in 80 columns."""
        from rich.console import Group
        from rich.text import Text

        assert self._bar is not None
        bar = self._bar.get_renderable()
        return Group(bar, Text(f"  {self._words}", no_wrap=True, overflow="ellipsis")) if self._words else bar

    def _rate(self) -> float:
        return (self._done - self._first) / max(time.monotonic() - self._started, 1e-9)

    def _rate_text(self) -> str:
        rate = self._rate()
        return f"{rate:,.1f}/s" if rate >= 1 or rate == 0 else f"{1 / rate:,.1f} s each"

    def _unit_text(self) -> str:
        return f" {self._unit}" if self._unit else ""

    def _plain_line(self) -> str:
        line = f"{self._title}: {self._done:,}"
        if self._total:
            line += f" of {self._total:,}"
        line += f"{self._unit_text()}, {self._rate_text()}"
        if self._total and self._rate() > 0:
            line += f", {_duration((self._total - self._done) / self._rate())} left"
        return f"{line}. {self._words}".rstrip()


class ConsoleProgress:
    """Tells a person on stderr how long work goes on (see :class:`stackgan_cli.progress.Progress`)."""

    def say(self, message: str) -> None:
        """Tell the person something."""
        say(message)

    def warn(self, message: str) -> None:
        """Tell the person something that they may not expect."""
        warn(message)

    @contextmanager
    def phase(self, title: str, total: int | None = None, unit: str = "", start: int = 0) -> Iterator[Report]:
        """Show a phase, as :class:`ProgressReport` does."""
        with ProgressReport(title, total, unit=unit, start=start) as bar:
            yield bar.update


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
