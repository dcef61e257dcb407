from __future__ import annotations

import random
import re

import pytest

from stackgan_cli.drawn_birds.attributes import (
    COLOURS,
    BirdAttributes,
    sample_attributes,
    sample_held_out,
)
from stackgan_cli.drawn_birds.captions import Caption, describe

# What a reader understands, kept apart from the grammar that writes.
WORDS = {
    "size": {
        **dict.fromkeys(("small", "little", "tiny", "miniature"), "small"),
        **dict.fromkeys(("medium", "mid(?!-air)", "midsize", "average", "normal", "middle"), "medium"),
        **dict.fromkeys(("large", "big", "huge", "giant", "enormous", "massive", "gigantic"), "large"),
    },
    "beak": {"short": "short", "stubby": "short", "stumpy": "short", "long": "long", "lengthy": "long"},
    "pattern": {
        **dict.fromkeys(("striped", "barred", "stripy", "banded", "stripes", "bars"), "striped"),
        **dict.fromkeys(("spotted", "speckled", "dotted", "spots", "dots"), "spotted"),
        **dict.fromkeys(("plain", "pattern"), "plain"),
    },
    "pose": {
        **dict.fromkeys(("perched", "perching", "perches", "sitting", "sits", "resting", "rests"), "perched"),
        **dict.fromkeys(("branch", "twig", "tree", "bough"), "perched"),
        **dict.fromkeys(("standing", "stands", "wading", "wades", "on the ground", "on ground"), "standing"),
        **dict.fromkeys(("flying", "flies", "flight", "in (?:the )?air", "mid-air", "spread(?:ing|s)"), "flying"),
        **dict.fromkeys(("flap(?:ping|s)", "soar(?:ing|s)", "glid(?:ing|es)", "hover(?:ing|s)"), "flying"),
    },
    "background": {
        "sky": "sky",
        **dict.fromkeys(("leaves", "leafy", "foliage"), "leaves"),
        **dict.fromkeys(("water", "sea", "ocean", "lake", "pond"), "water"),
        **dict.fromkeys(("grass", "grassy", "meadow", "lawn"), "grass"),
        **dict.fromkeys(("snow", "snowy", "snowing", "snows"), "snow"),
        **dict.fromkeys(("sand", "sandy", "beach", "desert"), "sand"),
    },
}
PARTS = {
    "body_colour": "body|torso|(?<!wing )(?<!tail )feathers|plumage",
    "wing_colour": "wings?|winged",
    "head_colour": "head|crown|headed|crowned",
    "belly_colour": "belly|breast|chest|underside|stomach|abdomen|tummy|underparts|bellied|breasted|chested",
    "tail_colour": "tail|tailed",
}
COLOUR = "|".join((*COLOURS, "grey"))
SHADES = {
    **dict.fromkeys(("grey", "silver", "ashen"), "gray"),
    **dict.fromkeys(("scarlet", "crimson"), "red"),
    **dict.fromkeys(("azure", "sapphire"), "blue"),
    **dict.fromkeys(("chocolate", "chestnut"), "brown"),
    "emerald": "green",
    "golden": "yellow",
    "tangerine": "orange",
    "ebony": "black",
    "ivory": "white",
    "rosy": "pink",
}
MARKED = "plain|striped|barred|stripy|banded|spotted|speckled|dotted"
# Wings that are not said to have a colour, and places that have one of their own.
ASIDE = (
    r"(?:(?:stripes|spots|dots|no pattern|bars) on (?:(?:its|the) )?wings?|wing bars|(?:spreading|spreads) its wings"
    r"|(?:flapping|flaps) its wings|\b(?:striped|spotted|speckled|plain) wings|wings without a? ?pattern"
    r"|blue sky|green leaves|green grass|green foliage|white snow)"
)
EVERYTHING = r"\b(?:all|completely|entirely|totally|only|nothing but|rest|everything|every|else|otherwise|except|apart"
EVERYTHING += r"|but|just)\b"


def colour_words(text: str) -> set[str]:
    return {word.replace("grey", "gray") for word in re.findall(rf"\b({COLOUR})\b", text)}


def claimed(text: str) -> dict[str, set[str]]:
    """Every value of every attribute other than a colour that the words of a caption claim."""
    text = text.lower()
    return {
        name: {value for word, value in words.items() if re.search(rf"\b{word}\b", text)}
        for name, words in WORDS.items()
    }


def coloured(text: str) -> str:
    """The caption without what says nothing of the colour of a part, and each colour as it is called in the data."""
    text = re.sub(r"\bfrom (?:head|beak|top) to (?:tail|bottom)\b", "all over", re.sub(ASIDE, "", text.lower()))
    plain = re.sub(r"[a-z]+", lambda word: SHADES.get(word[0], word[0]), text)
    return re.sub(rf"\b({COLOUR}) feathers on (?:its )?(\w+)", r"\1 \2", plain)


@pytest.fixture(scope="module")
def described() -> list[tuple[BirdAttributes, list[Caption]]]:
    rng = random.Random(11)
    birds = [sample_attributes(rng) for _ in range(950)] + [sample_held_out(rng) for _ in range(50)]
    return [(bird, describe(bird, rng, slips=0.0)) for bird in birds]


def test_what_is_noted_as_stated_is_what_the_words_say(described: list[tuple[BirdAttributes, list[Caption]]]) -> None:
    for bird, captions in described:
        for caption in captions:
            claims = claimed(caption.text)
            for name, values in claims.items():
                assert values <= {getattr(bird, name)}, (caption.text, name, bird)
            assert {name for name, values in claims.items() if values} == set(caption.stated) - set(PARTS), caption.text


def test_colours_are_those_of_the_parts_that_are_noted(described: list[tuple[BirdAttributes, list[Caption]]]) -> None:
    for bird, captions in described:
        for caption in captions:
            stated = set(PARTS) & set(caption.stated)
            text = coloured(caption.text)
            assert colour_words(text) == {getattr(bird, part) for part in stated}, (caption.text, bird)
            named = {part for part, nouns in PARTS.items() if re.search(rf"\b(?:{nouns})\b", text)}
            assert named <= stated, (caption.text, caption.stated)
            if not re.search(EVERYTHING, text):
                # The colour of the body is also that of "a red bird" and of "a red one".
                assert stated <= named | {"body_colour"}, (caption.text, caption.stated)
            elif len(stated) == len(PARTS):
                rest = {getattr(bird, part) for part in PARTS if part not in named}
                assert len(rest) <= 1 or bird.body_colour in rest, (caption.text, bird)


def test_a_colour_beside_a_part_is_the_colour_of_that_part(
    described: list[tuple[BirdAttributes, list[Caption]]],
) -> None:
    seen = dict.fromkeys(PARTS, 0)
    for bird, captions in described:
        for caption in captions:
            text = coloured(caption.text)
            for part, nouns in PARTS.items():
                one = rf"(?:{nouns})(?: feathers)?"
                found = re.findall(rf"\b{one} (?:is|are|being) (?:(?:{MARKED}) (?:and|&) )?({COLOUR})\b", text)
                found += re.findall(
                    rf"\b({COLOUR})(?:[ -]colou?red)?[ -]{one}\b(?! (?:in|is|are|=|{COLOUR})\b|:| and \w+ are)", text
                )
                seen[part] += len(found)
                assert {word.replace("grey", "gray") for word in found} <= {getattr(bird, part)}, (caption.text, part)
    assert min(seen.values()) > 700


PHRASINGS = {
    "parts alone": r"^\w+ wings, \w+ (?:body|head|tail|belly)",
    "the rest of it": r"\bthe rest of it is \w+",
    "everything else": r"\beverything else is \w+",
    "otherwise": r", otherwise \w+",
    "clauses": r"^its \w+ \w+ \w+, its \w+ \w+ \w+ and its \w+ \w+ \w+$",
    "no article": r"^bird with an? ",
    "great size": r"\b(?:huge|enormous|giant)\b",
    "compounds": r"\b\w+-headed\b.*\bbird\b",
    "red all over": r"\ball over\b",
    "on the wings": r"\bon the wings\b",
    "of black": r"\bwings of \w+",
    "colour of": r"the colou?r of its \w+ is",
    "being": r"\bwith its \w+ being\b",
    "scene first": r"^in the snow, ",
    "on a branch sits": r"^on a branch sits ",
    "questions": r"^can you draw .*\?$",
    "sentences": r"^It is an? .*\. Its ",
    "shared colour": r"\w+ head and tail\b",
}


@pytest.mark.parametrize("phrasing", PHRASINGS)
def test_people_have_many_ways_to_say_it(phrasing: str, described: list[tuple[BirdAttributes, list[Caption]]]) -> None:
    texts = [caption.text for _, captions in described for caption in captions]
    assert any(re.search(PHRASINGS[phrasing], text) for text in texts)


def test_a_few_captions_have_one_slip_that_makes_no_other_word() -> None:
    rng = random.Random(13)
    birds = [sample_attributes(rng) for _ in range(3000)]
    known = set(
        re.findall(r"[a-z]+", str([each.text.lower() for bird in birds for each in describe(bird, rng, slips=0)]))
    )
    rng = random.Random(12)
    captions = [caption for _ in range(600) for caption in describe(sample_attributes(rng), rng)]
    strange = [[word for word in re.findall(r"[a-z]+", each.text.lower()) if word not in known] for each in captions]
    assert max(map(len, strange)) == 1, [words for words in strange if len(words) > 1]
    assert 0.04 < sum(map(len, strange)) / len(captions) < 0.07
    assert all(len(word) >= 3 for words in strange for word in words)


def test_every_bird_gets_ten_different_captions_the_first_of_them_short(
    described: list[tuple[BirdAttributes, list[Caption]]],
) -> None:
    for _, captions in described:
        assert len({caption.text for caption in captions}) == 10
        assert len(captions[0].text.split()) <= 7, captions[0]


def test_language_is_varied(described: list[tuple[BirdAttributes, list[Caption]]]) -> None:
    texts = [caption.text for _, captions in described for caption in captions]
    assert len(set(texts)) > 7000
    stated = [len(caption.stated) for _, captions in described for caption in captions]
    assert {1, 2, 3, 4, 5, 6, 7} <= set(stated)
    assert any(text[0].isupper() for text in texts)
    assert any(text.endswith(".") for text in texts)
    assert any(not re.match(r"(an?|the|this) ", text.lower()) for text in texts)


def test_body_colour_is_mostly_said(described: list[tuple[BirdAttributes, list[Caption]]]) -> None:
    stated = ["body_colour" in caption.stated for _, captions in described for caption in captions]
    assert 0.78 < sum(stated) / len(stated) < 0.99


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
