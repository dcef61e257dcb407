"""What a glossary does to a sentence, what is said of a file that is none, and how one goes from data to pictures."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stackgan_cli import Pipeline
from stackgan_cli.errors import ModelError
from stackgan_cli.models.glossary import FILE, read_glossary, reader_of, write_glossary

GLOSSARY = {"rot": "red", "roter": "red", "Vogel": "bird", "Flügel": "wings", "è": "is", "e": "and", "la": "on the"}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("ein roter Vogel!", "ein red bird!"),
        ("ROTER VOGEL", "red bird"),
        ("rote Vogelbeeren", "rote Vogelbeeren"),
        ("flugel, Flügel; FLÜGEL", "wings, wings; wings"),
        (unicodedata.normalize("NFD", "flügel è rot"), "wings is red"),
        ("blu e rot", "blu and red"),
        ("rot_Vogel l'la", "red_bird l'on the"),
        ("红 鸟 🐦 <b>", "红 鸟 🐦 <b>"),
        ("", ""),
    ],
)
def test_words_are_read_one_by_one(typed: str, meant: str) -> None:
    assert reader_of(GLOSSARY, ())(typed) == meant


def test_a_word_that_the_model_met_is_never_replaced() -> None:
    assert reader_of(GLOSSARY, {"rot", "vogel"})("Rot rot roter VOGEL") == "Rot rot red VOGEL"


def test_a_text_without_such_words_stays_as_it_was_typed() -> None:
    decomposed = unicodedata.normalize("NFD", "a bird in a café")
    assert reader_of(GLOSSARY, ())(decomposed) == decomposed
    assert reader_of({}, ())("rot") == "rot"


def test_a_glossary_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_glossary(tmp_path, GLOSSARY)
    assert read_glossary(tmp_path) == GLOSSARY
    assert "rot roter = red\n" in (tmp_path / FILE).read_text(encoding="utf-8")


def test_people_write_remarks_and_the_first_line_with_a_word_holds(tmp_path: Path) -> None:
    text = "# Farben\n\nrot Rot = red\r\n  blau=dark  blue \nrot = rusty\n"
    (tmp_path / FILE).write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_glossary(tmp_path) == {"rot": "red", "Rot": "red", "blau": "dark  blue"}


@pytest.mark.parametrize(
    "line", ["rot red", "= red", "rot =", "ro-t = red", "rot: red", "rot = ", "\x00 = red", f"rot = {'red ' * 50}"]
)
def test_a_line_that_is_no_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / FILE).write_text(f"# one\nblau = blue\n{line}\n", encoding="utf-8")
    with pytest.raises(ModelError, match=r"Line 3 of .*glossary\.txt"):
        read_glossary(tmp_path)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"rot = \xff\xfe\n")
    with pytest.raises(ModelError, match="cannot be read"):
        read_glossary(tmp_path)
    (tmp_path / FILE).unlink()
    os.mkfifo(tmp_path / FILE)
    with pytest.raises(ModelError, match="a pipe"):
        read_glossary(tmp_path)


def test_a_model_of_drawn_birds_reads_other_languages_and_says_how(
    home: Path, model: Path, stackgan: Callable[..., Any]
) -> None:
    assert (home / "data" / "birds" / FILE).is_file()
    done = stackgan(
        "generate", "ein kleiner roter Vogel", "--seed", 3, "--model", "birds", "--output", home / "one.png"
    )
    assert done.code == 0, done.err
    assert done.says("birds reads 'ein kleiner roter Vogel' as 'a small red bird'.")
    pipeline = Pipeline.from_pretrained(model)
    typed, meant = (pipeline(each, seed=3).images[0] for each in ("ein kleiner roter Vogel", "a small red bird"))
    assert typed.tobytes() == meant.tobytes()
    said = stackgan("info", home / "one.png", "--json").json["picture"]
    assert (said["prompt"], said["read_as"]) == ("ein kleiner roter Vogel", "a small red bird")
    assert stackgan("info", "birds", "--json").json["model"]["glossary"] == len(read_glossary(model)) > 500


def test_a_glossary_that_a_person_wrote_goes_where_the_model_goes(home: Path, model: Path, tmp_path: Path) -> None:
    (model / FILE).write_text("punainen = red\nlintu = bird\n", encoding="utf-8")
    Pipeline.from_pretrained(model).save_pretrained(tmp_path / "copy")
    pipeline = Pipeline.from_pretrained(tmp_path / "copy")
    assert pipeline.notes_on("punainen lintu") == ["copy reads 'punainen lintu' as 'red bird'."]
    assert pipeline.unknown_words("punainen Vogel") == ["vogel"]


def test_a_spoilt_glossary_ends_drawing_with_its_line(model: Path, stackgan: Callable[..., Any]) -> None:
    (model / FILE).write_text("rot red\n", encoding="utf-8")
    done = stackgan("generate", "a red bird", "--model", "birds")
    assert done.code == 5
    assert done.says("Line 1 of", "rot roter = red")


def test_a_run_that_begins_with_a_model_keeps_its_glossary(
    home: Path, model: Path, train_tiny: Callable[..., Any]
) -> None:
    (model / FILE).write_text("punainen = red\n", encoding="utf-8")
    done = train_tiny(1, "--name", "other", "--from", "birds", "--steps", 1)
    assert done.code == 0, done.err
    known = read_glossary(home / "models" / "other")
    assert (known["punainen"], known["roter"]) == ("red", "red")
