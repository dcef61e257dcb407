from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from stackgan_cli.components.entries import ComponentEntry
from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.errors import ComponentError, DataError
from stackgan_cli.preparing.planning import Plan
from stackgan_cli.preparing.surveying import survey, surveyed_examples


class Listed:
    """A reader of what it is given."""

    def __init__(self, *items: Example | Skipped) -> None:
        self.items = list(items)

    def recognises(self, source: Path) -> str | None:
        return None

    def examples(self, source: Path | None) -> Iterator[Example | Skipped]:
        yield from self.items


def plan(*items: Example | Skipped, **changes: Any) -> Plan:
    entry = ComponentEntry(name="stackgan-cli:folder", version="1")
    return replace(Plan(entry, Listed(*items), None, (64,), "center", 0, None), **changes)


def many(count: int, **fields: Any) -> list[Example]:
    return [Example(f"{index:03d}", b"0123", (f"number {index}",), **fields) for index in range(count)]


def taken(plan: Plan) -> dict[str, str | None]:
    found = survey(plan, lambda _: None)
    items = list(surveyed_examples(plan, found))
    examples = {each.name: each.split for each in items if isinstance(each, Example)}
    assert len(examples) == found.count
    return examples


def test_a_tenth_is_for_testing_where_the_source_does_not_say() -> None:
    splits = taken(plan(*many(50)))
    assert list(splits) == [f"{index:03d}" for index in range(50)]
    assert list(splits.values()).count("test") == 5
    assert splits == taken(plan(*many(50)))
    assert splits != taken(plan(*many(50), seed=1))


def test_what_the_source_says_stays_and_the_rest_is_for_training() -> None:
    items = [*many(3, split="test"), *[replace(each, name=f"x{each.name}") for each in many(3)]]
    assert taken(plan(*items)) == {"000": "test", "001": "test", "002": "test"} | dict.fromkeys(
        ("x000", "x001", "x002"), "train"
    )


def test_pictures_for_testing_alone_are_split_again_and_that_is_said() -> None:
    source = plan(*many(40, split="test"))
    items = list(surveyed_examples(source, survey(source, lambda _: None)))
    told = [each.reason for each in items if isinstance(each, Skipped)]
    assert len(told) == 1
    assert "for testing only" in told[0]
    splits = [each.split for each in items if isinstance(each, Example)]
    assert (splits.count("train"), splits.count("test")) == (36, 4)
    assert list(taken(plan(*many(2, split="test"))).values()).count("train") == 1


def test_the_limit_is_a_fair_share_of_all() -> None:
    limited = taken(plan(*many(100), limit=10))
    assert len(limited) == 10
    assert list(limited.values()).count("test") == 1
    assert max(limited) > "050"
    assert len(taken(plan(*many(5), limit=10))) == 5


def test_the_fingerprint_is_that_of_all_that_is_said_of_pictures_their_sizes_and_the_settings(tmp_path: Path) -> None:
    def fingerprint(*items: Example | Skipped, **changes: Any) -> str:
        return survey(plan(*items, **changes), lambda _: None).fingerprint

    one = Example("a", b"1234", ("red",))
    path = tmp_path / "a.png"
    path.write_bytes(b"12345")
    different = [
        fingerprint(one),
        fingerprint(replace(one, name="b")),
        fingerprint(replace(one, captions=("blue",))),
        fingerprint(replace(one, split="test")),
        fingerprint(replace(one, image=path)),
        fingerprint(replace(one, class_name="finch")),
        fingerprint(replace(one, class_name="robin")),
        fingerprint(replace(one, box=(0, 0, 1, 1))),
        fingerprint(replace(one, box=(0, 0, 1, 2))),
        fingerprint(one, seed=1),
        fingerprint(one, crop="pad"),
        fingerprint(one, resolutions=(64, 256)),
        fingerprint(one, background="black"),
        fingerprint(one, limit=1),
    ]
    assert len(set(different)) == len(different)
    assert fingerprint(one, Skipped("x", "y")) == fingerprint(replace(one, image=b"4321"))


def test_classes_and_attributes_count_only_where_every_picture_has_them() -> None:
    classed, open_one = Example("a", b"", ("x",), class_name="owl"), Example("b", b"", ("x",))
    assert survey(plan(classed), lambda _: None).classes == ("owl",)
    assert survey(plan(classed, open_one), lambda _: None).classes == ()
    another = replace(open_one, class_name="wren")
    assert survey(plan(classed, another), lambda _: None).classes == ()
    assert survey(plan(classed, another, replace(another, name="c")), lambda _: None).classes == ("owl", "wren")
    known = Example("a", b"", ("x",), attributes={"size": "small"}, stated=(("size",),))
    assert survey(plan(known), lambda _: None).attributes == ("size",)
    found = survey(plan(known, open_one), lambda _: None)
    assert (found.attributes, found.stated) == ((), False)
    more = replace(known, name="c", attributes={"mood": "calm", "size": "small"})
    for order in ((known, more), (more, known)):
        assert survey(plan(*order), lambda _: None).attributes == ("size",)


def test_a_source_that_changes_meanwhile_is_noticed() -> None:
    for change in (lambda items: items.pop(), lambda items: items.append(Example("new", b"", ("x",)))):
        moving = plan(*many(4))
        found = survey(moving, lambda _: None)
        change(moving.reader.items)  # type: ignore[attr-defined]
        with pytest.raises(DataError, match="changed while it was being read"):
            list(surveyed_examples(moving, found))


def test_a_source_without_an_example_tells_the_first_reason() -> None:
    with pytest.raises(DataError, match=r"no picture with a caption.*odd: no caption"):
        survey(plan(Skipped("odd", "no caption")), lambda _: None)


def test_a_split_that_is_none_is_the_readers_fault() -> None:
    with pytest.raises(DataError, match="'dev'"):
        survey(plan(*many(1, split="dev")), lambda _: None)


@pytest.mark.parametrize("image", [Image.new("RGB", (8, 8)), "pictures/a.png"])
def test_what_is_no_image_is_laid_at_the_readers_door(image: Any) -> None:
    with pytest.raises(ComponentError, match=r"'folder' of stackgan-cli .* gives \w+ for the image of 'a'"):
        survey(plan(Example("a", image, ("a black square",))), lambda _: None)
