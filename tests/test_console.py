from __future__ import annotations

import io
import json
import time

import pytest

from stackgan_cli import console
from stackgan_cli.errors import DataError


def test_talk_goes_to_stderr_and_results_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("talk")
    console.warn("careful")
    console.table("Result", ["name", "value"], [["a", 1], ["b", 22]])
    seen = capsys.readouterr()
    assert "talk" in seen.err
    assert "careful" in seen.err
    assert "Result" in seen.out
    assert "talk" not in seen.out


@pytest.mark.parametrize(
    "words", ["[bold]red[/bold]", "a [/] b", "C:\\folder\\", "a :bird: in :red_heart:", "[x]" * 50]
)
def test_words_are_shown_as_they_are(capsys: pytest.CaptureFixture[str], words: str) -> None:
    console.say(words)
    console.show_error(DataError(words, hint=words))
    console.table("", ["name"], [[words[:40]]])
    seen = capsys.readouterr()
    assert seen.err.count(words) == 3
    assert words[:40] in seen.out


def test_a_table_that_has_no_room_cuts_no_word(capsys: pytest.CaptureFixture[str]) -> None:
    console.table("", ["metric", *"abcde"], [["Inception-style R-precision", *["1.2345e-05 ± 3.2109e-06"] * 5]])
    seen = capsys.readouterr().out
    assert max(map(len, seen.splitlines())) <= 80
    assert {"Inception-", "R-precision", "1.2345e-05", "3.2109e-06"} <= set(seen.replace("│", " ").split())
    # What no line holds is broken, and still whole.
    console.table("", ["name"], [["x" * 200]])
    assert capsys.readouterr().out.count("x") == 200


def test_long_lines_are_not_broken_for_pipes(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("word " * 100)
    console.print_json({"path": "/a folder/" * 40})
    seen = capsys.readouterr()
    assert len(seen.err.splitlines()) == 1
    assert len(seen.out.splitlines()) == 3


def test_progress_without_a_terminal_is_a_line_every_thirty_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    with console.ProgressReport("Work", 1000, unit="steps", start=100) as bar:
        for done in range(101, 201):
            now[0] += 1.0
            bar.update(done, words="loss 0.5")
    lines = capsys.readouterr().err.splitlines()
    assert lines[:-1] == [
        "Work: 130 of 1,000 steps, 1.0/s, 14 min 30 s left. loss 0.5",
        "Work: 160 of 1,000 steps, 1.0/s, 14 min 0 s left. loss 0.5",
        "Work: 190 of 1,000 steps, 1.0/s, 13 min 30 s left. loss 0.5",
    ]
    assert lines[-1].startswith("Work: 200 steps in 1 min 40 s")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal of 80 columns shows of stderr."""
    seen = io.StringIO()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(console.err, "_file", seen)
    monkeypatch.setattr(console.err, "_force_terminal", True)
    monkeypatch.setattr(console.err, "is_interactive", True)
    monkeypatch.setattr(console.err, "_width", 80)
    monkeypatch.setattr(console.err, "_color_system", None)
    return seen


def test_messages_wrap_at_words_and_commands_do_not(terminal: io.StringIO) -> None:
    path = "/a/long/place/" * 9
    console.say(f"{'some words ' * 12}and {path} in the end.")
    lines = terminal.getvalue().splitlines()
    assert all(len(line) <= 80 for line in lines if "/a/" not in line)
    assert any(path in line for line in lines)
    for show in (
        lambda: console.suggest("stackgan", "prepare", "--data", "a b", "--source", path),
        lambda: console.show_error(DataError("No.", hint=f"stackgan prepare --data 'a b' --source {path}")),
        lambda: console.warn(f"{'some words ' * 12}so it is: stackgan prepare --data 'a b' --source {path}"),
    ):
        show()
        assert f"stackgan prepare --data 'a b' --source {path}" in terminal.getvalue().splitlines()[-1]


def test_the_losses_of_a_run_fit_beside_its_bar(terminal: io.StringIO) -> None:
    losses = "  ".join(f"{name} 0.123" for name in ("discriminator", "generator", "kl", "penalty"))
    with console.ProgressReport("Stage-I", 6000, unit="steps") as bar:
        bar.update(50, words=f"123.4 images/s  {losses}")
    assert f"123.4 images/s  {losses}"[:70] in terminal.getvalue()


def test_results_in_a_pipe_stay_there_while_a_bar_is_drawn(
    terminal: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    with console.ProgressReport("Drawing", 3) as bar:
        for done in (1, 2):
            bar.update(done)
            with bar.aside():
                console.out.out("picture.png")
    assert capsys.readouterr().out == "picture.png\npicture.png\n"
    assert "picture.png" not in terminal.getvalue()


def test_long_silences_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with console.patience("Loading ...", after=0.01):
        time.sleep(0.2)
    assert capsys.readouterr().err == "Loading ...\n"
    with console.patience("Loading ...", after=60):
        pass
    assert capsys.readouterr().err == ""


HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\rover\u202egnp.exe\u2028\ud83d"


def show_everywhere(words: str) -> None:
    """Show words in every way that there is."""
    for tell in (console.say, console.warn, lambda words: console.suggest("stackgan", words)):
        tell(words)
    console.show_error(DataError(words, hint=words))
    console.table(words, [words, "number"], [[words, 1]])
    console.page(words, [[words, words]])
    console.out.out(words)
    with console.ProgressReport(words, 3, unit=words) as bar:
        bar.update(1, words=words)
        with bar.aside():
            console.out.print(words, markup=False)


def test_a_terminal_obeys_nothing_that_a_stranger_wrote(
    terminal: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    show_everywhere("bird")
    harmless = set(terminal.getvalue()) | set(capsys.readouterr().out)
    terminal.seek(0)
    terminal.truncate()
    show_everywhere(HOSTILE)
    seen = terminal.getvalue()
    for title in ("]0;", "[2J", "\x9b", "\u202e", "\u2028"):
        assert f"\x1b{title}" not in seen
    # What is left are the commands that Rich itself gives for the bar.
    assert not {each for each in set(seen) | set(capsys.readouterr().out) if not each.isprintable()} - harmless
    assert r"\u001b]0;title\u0007" in seen


def test_json_escapes_by_json(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_json({"caption": HOSTILE, "umlaut": "ä"})
    seen = capsys.readouterr().out
    assert json.loads(seen)["caption"] == HOSTILE
    assert all(letter.isprintable() or letter == "\n" for letter in seen)
    assert "ä" in seen


def test_a_name_with_line_ends_cannot_feign_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_error(DataError("No data in a\nError: the disk burns\n."))
    console.page("a\nb", [["name", "c\nd"]])
    seen = capsys.readouterr()
    assert len(seen.err.splitlines()) == 1
    assert len(seen.out.splitlines()) == 2


def test_a_page_keeps_to_its_terminal_whatever_a_fact_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = io.StringIO()
    for name, value in {"_file": seen, "_force_terminal": True, "_width": 80, "_color_system": None}.items():
        monkeypatch.setattr(console.out, name, value)
    long = "kept; it is not UTF-8 and was read as cp1252, which --encoding would say otherwise"
    console.page("birds", [["pictures", 12], [long, 'such as "1.txt", ' * 6], ["size", "64 px"]])
    lines = seen.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "  pictures  12" in lines
    assert "  size      64 px" in lines
    assert long in " ".join(" ".join(lines).split())
