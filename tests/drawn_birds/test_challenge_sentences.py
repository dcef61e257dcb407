"""The sentences of the examples, which people wrote, ask for what drawn birds can be."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from stackgan_cli.drawn_birds import attributes
from stackgan_cli.drawn_birds.reader import DrawnBirdsReader
from stackgan_cli.models.glossary import reader_of
from stackgan_cli.models.vocabulary import unknown_words, words_of

EXAMPLES = Path(__file__).parents[2] / "examples"
SENTENCES = EXAMPLES / "challenge.jsonl"
VALUES = {
    **{name: attributes.COLOURS for name in attributes.ATTRIBUTE_NAMES if name.endswith("_colour")},
    "size": attributes.SIZES,
    "beak": attributes.BEAKS,
    "pattern": attributes.PATTERNS,
    "pose": attributes.POSES,
    "background": attributes.BACKGROUNDS,
}


def test_sentences_ask_for_what_a_drawn_bird_can_be_and_for_all_of_it() -> None:
    sentences = [json.loads(line) for line in SENTENCES.read_text(encoding="utf-8").splitlines()]
    assert len({each["prompt"] for each in sentences}) == len(sentences) >= 110
    asked: Counter[str] = Counter()
    for each in sentences:
        assert each["asks"], each
        assert set(each) <= {"prompt", "asks", "contradiction"}, each
        asks = each["asks"]
        assert all(value in VALUES[name] for name, value in asks.items()), each
        if {"pose", "background"} <= set(asks):
            assert asks["background"] in attributes.PLACES[asks["pose"]], each
        asked.update(asks.keys())
        asked.update(f"{name}={value}" for name, value in asks.items())
    assert all(asked[name] >= 5 for name in attributes.ATTRIBUTE_NAMES), asked
    assert all(asked[f"{name}={value}"] for name, values in VALUES.items() for value in values), [
        f"{name}={value}" for name, values in VALUES.items() for value in values if not asked[f"{name}={value}"]
    ]
    pairs = {(each["asks"].get("body_colour"), each["asks"].get("wing_colour")) for each in sentences}
    assert pairs >= attributes.HELD_OUT


def test_sentences_in_other_languages_are_read_to_their_last_word() -> None:
    birds = DrawnBirdsReader(count=1000)
    met = {word for each in birds.examples() for text in each.captions for word in words_of(text)}
    assert not met & {word.lower() for word in birds.glossary}
    read = reader_of(birds.glossary, met)
    for line in (EXAMPLES / "other-languages.jsonl").read_text(encoding="utf-8").splitlines():
        prompt, asks = json.loads(line).values()
        assert unknown_words(read(prompt), frozenset(met)) == [], (prompt, read(prompt))
        assert all(value in VALUES[name] for name, value in asks.items()), prompt
        said = set(words_of(read(prompt)))
        assert {value for name, value in asks.items() if name.endswith("_colour") or name == "size"} <= said, prompt
