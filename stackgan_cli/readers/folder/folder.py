"""A folder of one's own pictures: a metadata file, a caption file for each picture, or a sub-folder for each class."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from stackgan_cli.errors import DataError
from stackgan_cli.readers.birds_and_flowers.boxes import cub_list
from stackgan_cli.readers.columns import Columns
from stackgan_cli.readers.folder.caption_sources import caption_source, chosen_source, why_unsuited
from stackgan_cli.readers.folder.class_folders import ClassFolders, Template, class_folders_in
from stackgan_cli.readers.folder.in_names import IN_NAMES, called_like_captions
from stackgan_cli.readers.folder.near_misses import what_is_missing
from stackgan_cli.readers.folder.split_lists import SplitLists
from stackgan_cli.readers.layout import LayoutReader
from stackgan_cli.readers.left_out import LeftOut
from stackgan_cli.readers.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stackgan_cli.components.protocols import Example, Skipped
    from stackgan_cli.readers.folder.caption_sources import CaptionSource

_LAYOUT = (
    "It should hold a list of pictures and captions (metadata.jsonl, captions.csv, captions.json ...), or a text file "
    "for each picture, such as bird.txt or bird.caption beside bird.jpg, or captions/bird.txt for images/bird.jpg; or "
    '--caption-template makes captions of the names of folders, such as "a photo of a {class}", or one for all; or '
    f"--captions {IN_NAMES} takes the names of the pictures for their captions."
)


class FolderReader(LayoutReader):
    """Reads any folder of captioned pictures.

    Metadata files, at the top, in ``images`` or ``data``, or in folders named after splits, name pictures relative to
    themselves, or to a folder ``images`` beside them. Without any, each picture's captions are in a file of its own,
    beside it or in a folder of such files, or in another list, or made from the name of its class. Two or more
    sub-folders that hold all pictures are classes where captions are in files or made. The split is that of the column
    ``split``, else that of several lists, else that of a folder ``train`` or ``test``, above which only lone folders
    may lie, else that of text files such as ``Flickr_8k.trainImages.txt`` whose lines are names of pictures, else open,
    as it is where all lies in ``train``. A name that no file has may be that of the only one that
    is spelt alike: with accents encoded in another way, in another case, without suffix, or with fewer or more folders
    before it. Nothing outside the folder is opened, whatever names and links say.

    Args:
        captions: a list of captions or a folder of caption files, relative to the source or absolute, or ``filename``
            where the pictures are called by their captions; looked for where None.
        image_column: column of a list that names the picture; one with a usual name where None.
        caption_column: column that holds captions; one with a usual name where None.
        caption_template: caption of every picture that has no text file, such as ``a photo of a {class}``. Where there
            are no class folders, the class is that of the folder that all pictures lie in.

    Raises:
        stackgan_cli.errors.SettingsError: the template is no text, or has other braces than ``{class}``.
    """

    layout = _LAYOUT
    recipe = "modern"
    encoder = ("char-cnn-rnn", {"variant": "cvpr", "channels": 128, "width": 256})

    def __init__(
        self,
        *,
        captions: str | None = None,
        image_column: str | None = None,
        caption_column: str | None = None,
        caption_template: str | None = None,
    ) -> None:
        self._place = captions
        self._columns = Columns(image_column, caption_column)
        self._template = None if caption_template is None else Template(caption_template)

    def evidence(self, source: Path) -> str | None:
        """Look for metadata files, for files with captions, and for sub-folders that are classes."""
        tree = Tree.of(source)
        if self._place is not None and why_unsuited(tree, self._place, self._columns) is not None:
            return None
        try:
            captions = self._captions_of(tree, LeftOut())
        except DataError as error:
            return error.message.rstrip(".")
        classes = class_folders_in(source) if cub_list(source) is None else None
        if captions is not None and (classes is not None or captions.sure):
            return captions.evidence
        return f"{len(classes):,} sub-folders of pictures are classes" if classes else None

    def _captions_of(self, tree: Tree, left_out: LeftOut) -> CaptionSource | None:
        if self._place is None:
            return caption_source(tree, self._columns, self._template, left_out)
        return chosen_source(tree, self._place, self._columns, self._template)

    def missing(self, source: Path) -> str | None:
        """Say why no picture of a folder has captions; None where there is no picture."""
        if self._place is None:
            return what_is_missing(source)
        tree = Tree.of(source)
        return why_unsuited(tree, self._place, self._columns) if tree.pictures else None

    def found(self, root: Path) -> Iterator[Example | Skipped]:
        """Yield the captioned pictures, and what had to be left out."""
        # A folder that cannot be opened ends the reading where it is the source itself.
        next(os.scandir(root), None)
        tree = Tree.of(root)
        left_out = LeftOut()
        for problem in tree.problems:
            left_out.take(problem, "files")
        if self._template is not None:
            self._template.suit(root, tree.pictures)
        splits = SplitLists.of(tree)
        captions = self._captions_of(splits.without(tree), left_out)
        if captions is None:
            _refuse_captionless(tree)
            for name in tree.pictures:
                left_out.add(name, "pictures", "there is no text file of the same name beside it")
        else:
            for example in captions.examples(left_out):
                yield splits.told(example, left_out)
        yield from left_out.lines()


def _refuse_captionless(tree: Tree) -> None:
    """Refuse pictures without captions where their folders or their names say what could be taken for captions.

    Raises:
        DataError: they do; the hint names the option.
    """
    classes = ClassFolders.of(tree.pictures)
    called = called_like_captions(tree.pictures)
    if called is not None:
        raise DataError(
            f"{tree.root} holds no captions, but pictures with names that read like captions, such as {called}.",
            f"--captions {IN_NAMES}",
        )
    if classes.names:
        raise DataError(
            f"{tree.root} holds pictures in {len(classes.names):,} folders, which look like classes, and no captions.",
            '--caption-template "a photo of a {class}"',
        )
