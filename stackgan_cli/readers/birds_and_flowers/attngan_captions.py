"""AttnGAN's captions.pickle: captions as numbers of words, in the order of filenames.pickle.

Its layout: captions for training, captions for testing, the words by their numbers, the numbers by their words; caption
j of picture i is at i * k + j, where k is the same for all pictures, and the number 0 ends a caption.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stackgan_cli.errors import DataError
from stackgan_cli.files import at_home
from stackgan_cli.formats.restricted_pickle import load_pickle
from stackgan_cli.readers.birds_and_flowers.splits import file_names, picture_key
from stackgan_cli.readers.captions import mended
from stackgan_cli.readers.encodings import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

CAPTION_PICKLES = ("captions.pickle", "captions_DAMSM.pickle")
"""Names of the file: AttnGAN's, and DF-GAN's for the same."""

_SPLITS = ("train", "test")
_LONGEST_WORD = 100
_LAYOUT = (
    "It should hold the captions for training, those for testing, the words by number and the numbers by word. Get the "
    "file again, or remove it."
)


def caption_pickle(folders: Iterable[Path]) -> Path | None:
    """Find AttnGAN's captions beside the file names that they follow; None where there are none."""
    candidates = (folder / name for folder in folders for name in CAPTION_PICKLES)
    return next((path for path in candidates if path.is_file() and _lists_names(path.parent)), None)


def caption_source(folders: Sequence[Path], chosen: str | None, classes: set[str]) -> Path:
    """Find captions: a folder with a folder of text files for each class, else AttnGAN's pickle.

    What a person chose goes before these: relative to the current folder, else to ``folders``. A folder in which there
    is none of ``classes`` is passed over.

    Raises:
        DataError: there are no captions.
    """
    if chosen is None:
        places = [folder / name for folder in folders for name in ("text_c10", "text")]
    else:
        places = [folder / at_home(chosen) for folder in (Path(), *folders)]
    for place in dict.fromkeys(places):
        if chosen is not None and place.is_file():
            return place
        if place.is_dir() and any(child.is_dir() and child.name in classes for child in place.iterdir()):
            return place
    found = caption_pickle(folders) if chosen is None else None
    if found is not None:
        return found
    looked = " or ".join(map(str, dict.fromkeys(places)))
    raise DataError(
        f"There are no captions for the pictures in {folders[0]}.",
        f"Captions belong in {looked}: one folder per class, one text file per picture, one caption per line.",
    )


def home_of_names(path: Path, folders: Sequence[Path]) -> Path:
    """Find the folder of ``train|test/filenames.pickle``, whose order a caption pickle follows: its own, else another.

    Raises:
        DataError: there is none.
    """
    for folder in (path.parent, *folders):
        if _lists_names(folder):
            return folder
    raise DataError(
        f"{path} follows the order of train/filenames.pickle, which is not there.",
        "Put the folders train and test that belong to it beside it.",
    )


def captions_by_key(path: Path, home: Path, parts: int) -> dict[str, tuple[str, ...]]:
    """Read AttnGAN's captions of all pictures that ``home``'s ``filenames.pickle`` list, by their `picture_key`.

    Raises:
        DataError: a file cannot be read, or does not fit the other.
    """
    lists = {split: home / split / "filenames.pickle" for split in _SPLITS}
    names = {split: file_names(file) for split, file in lists.items() if file.is_file()}
    captions = read_caption_pickle(path, {split: len(each) for split, each in names.items()})
    return {
        picture_key(name, parts): captions[split][row] for split, each in names.items() for row, name in enumerate(each)
    }


def read_caption_pickle(path: Path, counts: Mapping[str, int]) -> dict[str, list[tuple[str, ...]]]:
    """Read AttnGAN's captions of as many pictures in each split as ``counts`` has of its ``filenames.pickle``.

    Returns:
        For each split the captions of every picture, in that order; a caption without words is left out.

    Raises:
        DataError: the file cannot be read, is of another layout, or does not fit the number of pictures.
    """
    content: Any = load_pickle(path)
    if not isinstance(content, list | tuple) or len(content) != 4:
        raise _other_layout(path, "it is no list of four things")
    words = _vocabulary(path, content[2])
    # A pickle can name the same long caption again in two bytes, and each is made a sentence.
    left = path.stat().st_size
    result = {}
    for split, listed in zip(_SPLITS, content, strict=False):
        if split not in counts:
            continue
        captions = listed.tolist() if isinstance(listed, np.ndarray) else listed
        if not isinstance(captions, list | tuple):
            raise _other_layout(path, f"its captions of the split {split} are no list")
        left -= sum(map(_length, captions))
        if left < 0:
            raise _other_layout(path, "its captions have more words than the file has bytes")
        each = _captions_each(path, split, len(captions), counts[split])
        result[split] = [
            tuple(filter(None, (_sentence(path, numbers, words) for numbers in captions[at : at + each])))
            for at in range(0, len(captions), each)
        ]
    return result


def _lists_names(folder: Path) -> bool:
    return (folder / "train" / "filenames.pickle").is_file()


def _other_layout(path: Path, what: str) -> DataError:
    return DataError(f"{path} does not hold AttnGAN's captions: {what}.", _LAYOUT)


def _vocabulary(path: Path, content: Any) -> dict[int, str]:
    if not isinstance(content, dict | list | tuple):
        raise _other_layout(path, "it has no words by number")
    words = {}
    for number, word in content.items() if isinstance(content, dict) else enumerate(content):
        text = text_of(word[: _LONGEST_WORD + 1]) if isinstance(word, bytes) else word
        if not isinstance(number, int | np.integer) or not isinstance(text, str) or len(text) > _LONGEST_WORD:
            raise _other_layout(path, "its words by number are something else")
        words[int(number)] = text
    return words


def _captions_each(path: Path, split: str, captions: int, pictures: int) -> int:
    if not captions and not pictures:
        return 1
    if not pictures or not captions or captions % pictures:
        raise DataError(
            f"{path} holds {captions:,} captions for the {pictures:,} pictures of {split}/filenames.pickle: not the "
            "same number for each.",
            "The two belong to different sets: get both again, from the same place.",
        )
    return captions // pictures


def _length(caption: Any) -> int:
    if isinstance(caption, np.ndarray):
        return caption.size
    return len(caption) if isinstance(caption, list | tuple) else 1


def _sentence(path: Path, caption: Any, words: Mapping[int, str]) -> str:
    numbers = caption.tolist() if isinstance(caption, np.ndarray) else caption
    if not isinstance(numbers, list | tuple):
        raise _other_layout(path, "a caption is no list of numbers")
    sentence = []
    for number in numbers:
        if not isinstance(number, int | np.integer):
            raise _other_layout(path, "a caption is no list of numbers")
        if number == 0:
            break
        if int(number) not in words:
            raise _other_layout(path, f"a caption has a number beyond its {len(words):,} words")
        sentence.append(words[int(number)])
    return mended(" ".join(sentence))[0]
