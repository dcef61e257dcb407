from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

HOSTILE = '<script>alert("x")</script> & a "red" bird'


class Page(HTMLParser):
    """A page as a browser takes it apart."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture
def folder(stackgan: Callable[..., Any], captioned_folder: Callable[..., Path], model: Path) -> Path:
    """A folder with the results and the report of a model on pictures whose captions are hostile."""
    source = captioned_folder(30)
    for path in source.glob("*.txt"):
        path.write_text(f"{HOSTILE}, {path.stem}\n")
    options = ("--encoder", "hashed-words", "--resolution", 16)
    assert stackgan("prepare", "--data", "plain", "--source", source, *options).code == 0
    small = ("--extractor-option", "width=8", "--extractor-option", "channels=4", "--extractor-option", "epochs=1")
    done = stackgan("evaluate", "--data", "plain", "--model", "birds", "--num-images", 10, "--report", *small)
    assert done.code == 0, done.err
    (page,) = model.rglob("report.html")
    assert done.says("report.html")
    return page.parent


def test_the_page_needs_nothing_else_and_holds_what_the_results_hold(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "iframe", "object", "base"}
    sources = [given["src"] or "" for _, given in page.tags if "src" in given]
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    assert "url(" not in text
    assert not any(name.startswith("on") for _, given in page.tags for name in given)
    words = " ".join(" ".join(page.words).split())
    # The caption is read as it is written.
    assert HOSTILE in words
    results = json.loads((folder / "results.json").read_text())
    for each in results["metrics"].values():
        assert each["title"] in words
    for row in results["rows"]:
        assert row["pictures"] in words
    value = results["rows"][-2]["metrics"]["frechet-distance"]["value"]
    assert re.search(rf"\b{value:.3g}\b", words)
    assert "3 pictures are few" in words
    assert str(results["protocol"]["data"]["fingerprint"]) in words


def test_every_figure_is_a_picture_of_its_own(folder: Path) -> None:
    figures = {path.stem: path for path in (folder / "figures").iterdir()}
    curves = {"training-stage1", "training-stage2"}
    assert figures.keys() == {"stages", "same-text", "between-sentences", "nearest", "best", "worst"} | curves
    for path in figures.values():
        with Image.open(path) as picture:
            picture.load()
            assert min(picture.size) > 128
            assert len(picture.getcolors(1 << 24) or ()) > 10


def test_what_was_asked_for_and_what_is_seen_is_a_figure_where_attributes_are_known(
    stackgan: Callable[..., Any], model: Path
) -> None:
    small = {"width": 8, "channels": 4, "input_side": 32, "epochs": 1, "count": 40}
    options = [part for name, value in small.items() for part in ("--extractor-option", f"{name}={value}")]
    done = stackgan("evaluate", "--data", "birds", "--num-images", 12, "--device", "cpu", *options, "--report")
    assert done.code == 0, done.err
    (page,) = model.rglob("report.html")
    # The judge of drawn birds reads no captions, and tells the best and the worst drawings all the same.
    assert {path.stem for path in (page.parent / "figures").iterdir()} >= {"confusion", "best", "worst"}
    with Image.open(page.parent / "figures" / "confusion.png") as picture:
        picture.load()
        # More than six attributes, three beside each other.
        assert min(picture.size) > 900
