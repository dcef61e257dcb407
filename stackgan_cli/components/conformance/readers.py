"""Checks of dataset readers."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

from PIL import Image

from stackgan_cli.components.conformance.subject import Notebook, Subject, UnmetError, accept, require
from stackgan_cli.components.protocols import Example, HasCrop, HasGlossary, HasRecipe, Skipped
from stackgan_cli.components.results import image_fault
from stackgan_cli.errors import StackganError
from stackgan_cli.pictures.decoding import load_picture

MOST = 50
"""Examples that a check looks at."""
OPENED = 5
"""Pictures that a check opens."""
CROPS = ("bbox", "center", "squash", "pad")


class _ReaderRun:
    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.reader: Any = subject.build()
        self.found: list[Example] = []

    def read(self, reader: Any = None) -> list[Example | Skipped]:
        return list(itertools.islice((reader or self.reader).examples(self.subject.source), MOST))

    def recognises(self) -> str:
        with tempfile.TemporaryDirectory() as folder:
            for place in (Path(folder), Path(folder, "nothing-here")):
                answer = self.reader.recognises(place)
                require(answer is None, f"it recognises an empty folder or none at all: {answer!r}")
            require(not any(Path(folder).iterdir()), "recognises() writes into the folder")
        if self.subject.source is None:
            return "an empty folder is not recognised"
        answer = self.reader.recognises(self.subject.source)
        require(isinstance(answer, str) and bool(answer), f"recognises() says {answer!r} to the given source")
        return str(answer)

    def members(self) -> str:
        crop = self.reader.crop if isinstance(self.reader, HasCrop) else None
        require(crop is None or crop in CROPS, f"crop is {crop!r}; it should be one of {', '.join(CROPS)}")
        recipe = self.reader.recipe if isinstance(self.reader, HasRecipe) else None
        require(recipe is None or isinstance(recipe, str), f"recipe is {recipe!r}; it should be a name")
        glossary = self.reader.glossary if isinstance(self.reader, HasGlossary) else {}
        wrong = [word for word, meaning in glossary.items() if not (word.isalnum() and meaning.strip())]
        require(not wrong, f"glossary is to have words and what they mean, not {wrong[:1]}")
        return f"crop={crop}" if crop else ""

    def examples(self) -> str:
        found = self.read()
        wrong = [each for each in found if not isinstance(each, Example | Skipped)]
        require(not wrong, f"it yields {type(wrong[0]).__name__ if wrong else ''} instead of Example or Skipped")
        self.found = [each for each in found if isinstance(each, Example)]
        reasons = [each.reason for each in found if isinstance(each, Skipped)]
        why = f"no example; the first reason is {reasons[0]!r}" if reasons else "nothing"
        require(bool(self.found), f"it yields {why}")
        require(all(isinstance(each, str) and each for each in reasons), "a Skipped gives no reason")
        names = [each.name for each in self.found]
        require(all(isinstance(each, str) and each for each in names), "an example has no name")
        require(len(set(names)) == len(names), "two examples have one name")
        for each in self.found:
            _check_example(each)
        return f"{len(self.found)} examples looked at"

    def repeats(self) -> None:
        again = self.read(self.subject.build())
        one = [(each.name, each.captions, each.split) for each in self.found]
        other = [(each.name, each.captions, each.split) for each in again if isinstance(each, Example)]
        require(one == other, "reading twice gives other examples or another order")

    def pictures(self) -> str:
        sizes = set()
        for example in self.found[:OPENED]:
            first, second = _opened(example), _opened(example)
            require(first.tobytes() == second.tobytes(), f"{example.name} is another picture the second time")
            sizes.add(f"{first.width}x{first.height}")
        return ", ".join(sorted(sizes)[:3])

    def refuses(self) -> str:
        try:
            self.read()
        except StackganError as error:
            return f"without a source: {error.message} Give --source to check what it reads."
        raise UnmetError("it yields nothing and does not say why")


def check_reader(notebook: Notebook, subject: Subject) -> None:
    """Check a dataset reader on the given source, or without one where it needs none."""
    run = _ReaderRun(subject)
    notebook.run("recognises its layout alone", run.recognises)
    notebook.run("crop and recipe", run.members)
    if subject.source is None:
        try:
            run.read()
        except StackganError:
            notebook.run("says what it needs", run.refuses)
            return
        except Exception:
            notebook.run("examples", run.examples)
            return
    if notebook.run("examples", run.examples):
        notebook.run("the same every time", run.repeats)
        notebook.run("pictures open", run.pictures)


def _check_example(example: Example) -> None:
    name, captions = example.name, example.captions
    require(isinstance(captions, tuple) and bool(captions), f"{name} has no captions, or they are no tuple")
    # All are empty where the source gives ready features alone.
    fine = all(isinstance(each, str) and each.strip() for each in captions) or not any(captions)
    require(fine, f"{name} has an empty caption")
    accept(image_fault(example))
    require(example.split in ("train", "test", None), f"{name} is of the split {example.split!r}")
    if example.box is not None:
        fine = isinstance(example.box, Sequence) and len(example.box) == 4 and min(example.box[2:]) > 0
        require(fine, f"{name} has the box {example.box!r}; it should be left, top, width, height")
    if example.attributes is not None:
        fine = isinstance(example.attributes, Mapping) and all(isinstance(each, str) for each in example.attributes)
        require(fine, f"{name} has attributes that are no text by name")
    if example.stated is not None:
        require(len(example.stated) == len(captions), f"{name} states attributes for another number of captions")


def _opened(example: Example) -> Image.Image:
    """Open a picture as the program does, a function of it as a worker process would."""
    image = example.image
    if not callable(image):
        return load_picture(image)
    try:
        ForkingPickler.dumps(image)
    except Exception as error:
        raise UnmetError(f"the function of {example.name} cannot be sent to a worker process: {error}") from error
    made = image()
    fine = isinstance(made, Image.Image | bytes)
    require(fine, f"the function of {example.name} gives {type(made).__name__} instead of a picture")
    return load_picture(made)
