"""Which reader reads a source, and what suits the data that it finds."""

from __future__ import annotations

import os
import shlex
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.component import cause_of, talk_on_stderr
from stackgan_cli.components.protocols import (
    HasCrop,
    HasEncoder,
    HasExtractor,
    HasPublishedData,
    HasReadyFeatures,
    HasRecipe,
    HasScheme,
    ReadsFiles,
    SaysWhatIsMissing,
    SuitsSources,
)
from stackgan_cli.components.registry import Component, Kind, available, did_you_mean, find
from stackgan_cli.downloads.unpacking import is_archive
from stackgan_cli.errors import ComponentError, DataError, StackganError
from stackgan_cli.preparing.near_misses import what_is_in, what_to_do_with_file
from stackgan_cli.preparing.sources import LIST_OPTION
from stackgan_cli.readers.folder.in_names import IN_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from stackgan_cli.components.protocols import DatasetReader
    from stackgan_cli.downloads.addresses import PublishedData

    Question = Callable[[Component], str | None]
    """Something to ask of a reader: an answer, or nothing."""

_WITHOUT_PICTURES = "Name the folder that holds the pictures and their captions; --reader chooses a layout"
_TORCH7 = "stackgan-torch7:torch7"
"""A reader that this project offers in a package of its own."""


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What suits some data."""

    crop: str = "center"
    encoder: tuple[str, Mapping[str, Any]] | None = None
    """Name and options of a text encoder, where the reader names one."""
    recipe: str = "modern"
    extractor: str | None = None
    """Name of the extractor that judges pictures drawn after the data, where the reader names one."""


def recognise(
    source: Path, tell: Callable[[str], None], options: Mapping[str, Any] | None = None
) -> tuple[Component, str]:
    """Find the reader that recognises a source, and why; those of other packages are asked where no built-in one does.

    Args:
        source: what to read.
        tell: told which packages were asked, and how long that took.
        options: what a reader is to be built with; one that does not take all of them is asked without any.

    Raises:
        DataError: the source is missing, or no reader, or more than one, recognises it.
    """
    if not source.exists():
        raise DataError(f"There is nothing at {source}.", hint="Check the path given with --source.")
    if not os.access(source, os.R_OK | os.X_OK if source.is_dir() else os.R_OK):
        raise DataError(f"{source} cannot be opened: permission denied.", hint="Check its permissions.")
    found, failures = _ask(lambda reader: _built(reader, options or {}).recognises(source), tell)
    if len(found) == 1:
        return found[0]
    if found:
        named = [(each.name if each.built_in else each.full_name, reason) for each, reason in found]
        fitting = "; ".join(f"{name} ({reason})" for name, reason in named)
        choices = " or ".join(f"--reader {name}" for name, _ in named)
        raise DataError(f"More than one reader fits {source}: {fitting}.", hint=choices)
    _refuse_absent_captions(source, options or {})
    near, advice = _nearest(source, options or {})
    said = f"No reader recognises the layout of {source}: {what_is_in(source)}."
    raise DataError(" ".join(filter(None, (said, near, *failures))), hint=advice)


def _refuse_absent_captions(source: Path, options: Mapping[str, Any]) -> None:
    named = options.get(LIST_OPTION)
    if isinstance(named, str) and named != IN_NAMES and not (source / named).exists():
        raise DataError(
            f"There is nothing at {named}, where the captions of {source} are said to be.",
            hint="Check the path given with --captions: from here, or from the source.",
        )


def recognised(source: Path, reader: str | None, options: Mapping[str, Any]) -> bool:
    """Say whether a reader, or any where None, recognises a source; see `recognise`."""
    if reader is None:
        return bool(_ask(lambda each: _built(each, options).recognises(source), lambda _: None)[0])
    return _answer(_named(reader), lambda each: _built(each, options).recognises(source), []) is not None


def takes_file(source: Path, reader: str | None, options: Mapping[str, Any]) -> bool:
    """Say whether a source is no file, or one that its reader is to have as it is; see `recognise`.

    Readers of this project say so. What a reader of another package does with the file that a person gives it is its
    own affair.
    """
    if not source.is_file():
        return True
    if reader is None:
        return recognised(source, None, options)
    component = _named(reader)
    return not component.built_in or isinstance(component.factory(), ReadsFiles)


def takes_options(component: Component, options: Mapping[str, Any]) -> bool:
    """Say whether a reader can be built with all of some options."""
    try:
        component.bind({"seed": 0}, options)
    except ComponentError:
        return False
    return True


def _named(reader: str) -> Component:
    """Find a reader by the name that a person gave."""
    absent = reader == "torch7" and all(each.name != reader for each in available(Kind.DATASET_READER))
    return find(Kind.DATASET_READER, _TORCH7 if absent else reader)


def _built(component: Component, options: Mapping[str, Any]) -> DatasetReader:
    try:
        bound = component.bind({"seed": 0}, options)
    except ComponentError:
        plain: DatasetReader = component.factory()()
        return plain
    reader: DatasetReader = bound.build()
    return reader


def _nearest(source: Path, options: Mapping[str, Any]) -> tuple[str, str]:
    """Say which layout a source that no reader recognises is nearest to and what it lacks, and what to do about it."""
    if _holds_torch7(source):
        try:
            find(Kind.DATASET_READER, _TORCH7)
        except ComponentError as error:
            return "", f"Torch-7 files are read by the package stackgan-torch7. {error.hint}"
        return "", "--reader torch7 says what is wrong with its Torch-7 files"
    if source.is_file():
        return "", what_to_do_with_file(source)
    near: list[tuple[str, str, str]] = []
    for component in available(Kind.DATASET_READER):
        reader: DatasetReader | None = None
        lacks = None
        with suppress(Exception), talk_on_stderr():  # what nobody named does no harm
            reader = _built(component, options)
            lacks = reader.missing(source) if isinstance(reader, SaysWhatIsMissing) else None
        if lacks and isinstance(reader, SaysWhatIsMissing):
            near.append((component.name if component.built_in else component.full_name, lacks, reader.layout))
    if not near:
        archive = next((path for path in sorted(source.iterdir()) if path.is_file() and is_archive(path)), None)
        return "", _WITHOUT_PICTURES if archive is None else f"--source {shlex.quote(str(archive))}"
    words = "; or ".join(f"{name}: {lacks}" for name, lacks, _ in near)
    return f"The nearest is {words}.", near[0][2]


def _holds_torch7(source: Path) -> bool:
    return source.suffix == ".t7" or any(next(source.glob("*/" * n + "*.t7"), None) for n in range(3))


def _ask(question: Question, tell: Callable[[str], None]) -> tuple[list[tuple[Component, str]], list[str]]:
    """Ask the built-in readers something, and those of other packages where no built-in one says yes.

    Returns:
        Those that say yes, with what they say, and a sentence for each that failed.
    """
    found: list[tuple[Component, str]] = []
    failures: list[str] = []
    for component in available(Kind.DATASET_READER):
        if not component.built_in and any(each.built_in for each, _ in found):
            break
        begun, failed = time.monotonic(), len(failures)
        answer = _answer(component, question, failures)
        if answer:
            found.append((component, str(answer)))
        if not component.built_in:
            result = "it fits" if answer else "it does not fit" if len(failures) == failed else "it failed"
            seconds = time.monotonic() - begun
            tell(f"No built-in reader fits. {component.described} was asked: {result} ({seconds:.1f} s).")
    return found, failures


def _answer(component: Component, question: Question, failures: list[str]) -> str | None:
    try:
        with talk_on_stderr():
            return question(component)
    except StackganError as error:
        failures.append(error.message)
    except (Exception, SystemExit) as error:  # a reader that nobody named does no harm to the others
        failures.append(f"{component.described} failed: {cause_of(error)}.")
    return None


def reader_for(
    name: str,
    reader: str | None,
    source: Path | None,
    tell: Callable[[str], None],
    options: Mapping[str, Any] | None = None,
) -> tuple[Component, str]:
    """Choose the reader: the one asked for, the one that data of this name belongs to, or the one that recognises it.

    Args:
        name: of the data.
        reader: name of the one asked for.
        source: what to read.
        tell: see `recognise`.
        options: see `recognise`.

    Returns:
        The reader, and why it was chosen.

    Raises:
        DataError: none can be chosen.
    """
    known = available(Kind.DATASET_READER)
    if reader is not None:
        return _named(reader), "--reader names it"
    built_in = next((each for each in known if each.built_in and each.name == name), None)
    if built_in is not None and (source is not None or published(built_in) is None):
        by_name = built_in, f"data called {name} is of this layout"
        if source is None or not source.exists() or built_in.factory()().recognises(source):
            return by_name
        try:
            # The name promises a layout that the source does not have; it may have another one.
            return recognise(source, tell, options)
        except DataError:
            return by_name
    if source is None:
        download = ", or --download to fetch what is published" if built_in is not None else ""
        close = None if built_in is not None else did_you_mean(name, [each for each in known if each.built_in])
        raise DataError(
            f"The data {name!r} needs a source of pictures.",
            hint=(f"{close} Else: " if close else "")
            + f"stackgan prepare --data {shlex.quote(name)} --source FOLDER{download}",
        )
    return recognise(source, tell, options)


def reader_of_address(
    address: str, reader: str | None, tell: Callable[[str], None]
) -> tuple[Component, str, str] | None:
    """Find the reader of a source that is no place on this disk, such as ``hf:owner/name``.

    Args:
        address: the source.
        reader: name of the one asked for; None for any.
        tell: see `recognise`.

    Returns:
        The reader, why it was chosen, and what it is to read; None where no reader, or not the one asked for, knows
        such addresses.
    """
    beginning, colon, rest = address.partition(":")
    if not colon or not rest or not beginning.isalnum():
        return None

    def reads_it(component: Component) -> str | None:
        factory = component.factory()
        fits = isinstance(factory, HasScheme) and factory.scheme == beginning
        return f"the source begins with {beginning}:" if fits else None

    if reader is not None:
        named = _named(reader)
        why = reads_it(named)
        return None if why is None else (named, why, rest)
    found, _ = _ask(reads_it, tell)
    return (*found[0], rest) if found else None


def published_data(name: str) -> PublishedData:
    """Say where the data that a reader reads is published.

    Raises:
        DataError: no address of it is known.
        ComponentError: a reader of this name cannot be imported.
    """
    readers = available(Kind.DATASET_READER)
    known_addresses = {
        each: found
        for each in readers
        if (each.built_in or name in (each.name, each.full_name)) and (found := published(each)) is not None
    }
    for component, found in known_addresses.items():
        if name in (component.name, component.full_name):
            return found
    known = ", ".join(sorted(component.name for component in known_addresses))
    raise DataError(
        f"No public address of the data {name!r} is known here.",
        hint=f"--download knows {known}; for anything else name a folder with --source",
    )


def published(component: Component) -> PublishedData | None:
    """Say where the data that a reader reads is published; None where it names no public address."""
    factory = component.factory()
    return factory.published if isinstance(factory, HasPublishedData) else None


def suited(reader: DatasetReader, source: Path | None) -> Suggestions:
    """Say what suits the data, as the reader has it."""
    found: dict[str, Any] = {
        "crop": reader.crop if isinstance(reader, HasCrop) else None,
        "encoder": reader.encoder if isinstance(reader, HasEncoder) else None,
        "recipe": reader.recipe if isinstance(reader, HasRecipe) else None,
        "extractor": reader.extractor if isinstance(reader, HasExtractor) else None,
    }
    if source is not None and isinstance(reader, SuitsSources):
        found |= {name: value for name, value in reader.suits(source).items() if name in found}
    return Suggestions(**{name: value for name, value in found.items() if value is not None})


def ready_features(reader: DatasetReader, source: Path | None, name: str) -> Callable[[str], NDArray[np.float32]]:
    """Find text features that a source holds ready.

    Returns:
        A function from a picture's name to an array (captions, width).

    Raises:
        DataError: there are none of this name.
    """
    there = reader.features(source) if isinstance(reader, HasReadyFeatures) else {}
    if name in there:
        return there[name]
    have = f"it has {', '.join(sorted(there))}" if there else "it has none"
    raise DataError(
        f"{source or 'The source'} holds no text features called {name!r}: {have}.",
        hint="--encoder-option features=NAME, or an encoder that reads captions: --encoder char-cnn-rnn",
    )
