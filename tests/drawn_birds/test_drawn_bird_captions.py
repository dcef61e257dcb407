from __future__ import annotations

import random
import re

import pytest

from stackgan_cli.drawn_birds.attributes import (
    ATTRIBUTE_NAMES,
    COLOURS,
    BirdAttributes,
    sample_attributes,
    sample_held_out,
)
from stackgan_cli.drawn_birds.captions import Caption, describe

# What a reader understands, kept apart from the grammar that writes.
WORDS = {
    "size": {
        **dict.fromkeys(("small", "little", "tiny"), "small"),
        **dict.fromkeys(("medium", "mid"), "medium"),
        **dict.fromkeys(("large", "big"), "large"),
    },
    "beak": {"short": "short", "stubby": "short", "long": "long"},
    "pattern": {
        **dict.fromkeys(("striped", "barred", "stripy", "stripes", "bars"), "striped"),
        **dict.fromkeys(("spotted", "speckled", "dotted", "spots", "dots"), "spotted"),
        **dict.fromkeys(("plain", "pattern"), "plain"),
    },
    "pose": {
        **dict.fromkeys(("perched", "perching", "sitting", "branch", "twig", "tree", "resting"), "perched"),
        **dict.fromkeys(("standing", "wading", "on the ground"), "standing"),
        **dict.fromkeys(("flying", "flight", "in the air", "spreading", "flapping"), "flying"),
    },
    "background": {
        "sky": "sky",
        **dict.fromkeys(("leaves", "leafy", "foliage"), "leaves"),
        **dict.fromkeys(("water", "sea"), "water"),
        **dict.fromkeys(("grass", "grassy", "meadow", "lawn"), "grass"),
        **dict.fromkeys(("snow", "snowy"), "snow"),
        **dict.fromkeys(("sand", "sandy", "beach"), "sand"),
    },
}
PARTS = {
    "body_colour": "body|bird|(?<!wing )(?<!tail )feathers|plumage",
    "wing_colour": "wings?|winged",
    "head_colour": "head|crown|headed",
    "belly_colour": "belly|breast|chest|underside|bellied",
    "tail_colour": "tail|tailed",
}
COLOUR = "|".join((*COLOURS, "grey"))
MARKED = "plain|striped|barred|stripy|spotted|speckled|dotted"


def understood(text: str, bird: BirdAttributes) -> dict[str, set[str]]:
    """Every value of every attribute that the words of a caption claim."""
    text = text.lower()
    claims: dict[str, set[str]] = {name: set() for name in ATTRIBUTE_NAMES}
    for name, words in WORDS.items():
        claims[name] = {value for word, value in words.items() if re.search(rf"\b{word}\b", text)}
    for part, nouns in PARTS.items():
        before = rf"\b({COLOUR})(?: and (?:{COLOUR}))?[ -](?:(?:{nouns})\b)"
        after = rf"\b(?:{nouns})(?: feathers)? (?:is|are) (?:(?:{MARKED}|(?:[a-z]+[ -])?[a-z]+) and )?({COLOUR})\b"
        found = re.findall(before, text) + re.findall(after, text)
        if part == "body_colour":
            subject = "it|this bird|the bird(?: in the picture)?"
            found += re.findall(
                rf"^(?:{subject}) is (?:(?:[a-z-]+ )?[a-z-]+ and )??({COLOUR})\b(?! bird)",
                text,
            )
        claims[part] = {value.replace("grey", "gray") for value in found}
    if re.search(r"\b(all|completely|entirely)\b", text):
        for part in PARTS:
            claims[part].add(bird.body_colour)
    return claims


@pytest.fixture(scope="module")
def described() -> list[tuple[BirdAttributes, list[Caption]]]:
    rng = random.Random(11)
    birds = [sample_attributes(rng) for _ in range(950)] + [sample_held_out(rng) for _ in range(50)]
    return [(bird, describe(bird, rng)) for bird in birds]


def test_captions_say_nothing_false(described: list[tuple[BirdAttributes, list[Caption]]]) -> None:
    for bird, captions in described:
        for caption in captions:
            for name, values in understood(caption.text, bird).items():
                assert values <= {getattr(bird, name)}, (caption.text, name, bird)
            named = {word.replace("grey", "gray") for word in re.findall(rf"\b({COLOUR})\b", caption.text.lower())}
            assert named <= set(bird.colours), (caption.text, bird)


def test_what_is_noted_as_stated_is_what_the_words_say(described: list[tuple[BirdAttributes, list[Caption]]]) -> None:
    for bird, captions in described:
        for caption in captions:
            claimed = {name for name, values in understood(caption.text, bird).items() if values}
            assert claimed == set(caption.stated), caption.text


def test_every_bird_gets_ten_different_captions_the_first_of_them_short(
    described: list[tuple[BirdAttributes, list[Caption]]],
) -> None:
    for _, captions in described:
        assert len({caption.text for caption in captions}) == 10
        assert len(captions[0].text.split()) <= 7


def test_language_is_varied(described: list[tuple[BirdAttributes, list[Caption]]]) -> None:
    texts = [caption.text for _, captions in described for caption in captions]
    assert len(set(texts)) > 7000
    stated = [len(caption.stated) for _, captions in described for caption in captions]
    assert {1, 2, 3, 4, 5, 6} <= set(stated)
    assert any(text[0].isupper() for text in texts)
    assert any(text.endswith(".") for text in texts)
    assert any(not re.match(r"(an?|the|this) ", text.lower()) for text in texts)


def test_body_colour_is_nearly_always_said(described: list[tuple[BirdAttributes, list[Caption]]]) -> None:
    stated = ["body_colour" in caption.stated for _, captions in described for caption in captions]
    assert 0.88 < sum(stated) / len(stated) < 0.99


def test_articles_are_right_and_sides_go_unnamed(described: list[tuple[BirdAttributes, list[Caption]]]) -> None:
    for _, captions in described:
        for caption in captions:
            text = caption.text.lower()
            assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", text), text
            assert not re.search(r"\b(left|right)\b|  |\{|\}| ,|,,", text), text


@pytest.mark.parametrize("count", [1, 3, 40])
def test_as_many_captions_as_asked_for(count: int) -> None:
    bird = sample_attributes(random.Random(3))
    captions = describe(bird, random.Random(4), count)
    assert len(captions) == count
    assert captions == describe(bird, random.Random(4), count)
