"""Where the captions of a folder's pictures come from: the seam that every layout of such a folder goes through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from stackgan_cli.errors import DataError
from stackgan_cli.readers.columns import Columns
from stackgan_cli.readers.folder.beside import FilesBeside
from stackgan_cli.readers.folder.in_names import IN_NAMES, CaptionsInNames
from stackgan_cli.readers.folder.list_files import Lists, why_none
from stackgan_cli.readers.folder.listing import ListedPictures, folder_of, list_at, metadata_files
from stackgan_cli.readers.folder.picture_names import PictureNames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stackgan_cli.components.protocols import Example
    from stackgan_cli.readers.folder.class_folders import Template
    from stackgan_cli.readers.left_out import LeftOut
    from stackgan_cli.readers.tree import Tree


class CaptionSource(Protocol):
    """Where the captions of a folder's pictures come from."""

    sure: bool
    """Whether they lie as in no layout of another reader."""

    @property
    def evidence(self) -> str:
        """Say in a few words where they are, by the first of them."""

    def examples(self, left_out: LeftOut) -> Iterator[Example]:
        """Yield the captioned pictures in the order of their names, and tell what had to be left out."""


def caption_source(tree: Tree, columns: Columns, template: Template | None, left_out: LeftOut) -> CaptionSource | None:
    """Choose where the captions of a folder's pictures come from; None where there are none.

    Metadata files come first, then files of one picture each where half of the pictures have one, then other lists,
    then the template.

    Args:
        tree: the pictures and texts.
        columns: those of lists.
        template: makes captions where there are no others.
        left_out: told what else could have had captions.

    Raises:
        DataError: several lists could be meant.
    """
    beside = FilesBeside(tree, template)
    lists = metadata_files(tree, left_out)
    if not lists and 2 * beside.texts.count < len(tree.pictures):
        lists = Lists(tree, beside.texts.free(), columns).chosen(tree.root, left_out)
    if lists:
        if template is not None:
            reason = f"not used, because {lists[0].name} has the captions"
            left_out.add("the caption template", "options", reason)
        return ListedPictures(tree, lists, columns)
    if columns != Columns():
        left_out.add("the columns chosen", "options", "not used, because there is no list of captions")
    return beside if beside.texts.count or (template is not None and tree.pictures) else None


def chosen_source(tree: Tree, chosen: str, columns: Columns, template: Template | None) -> CaptionSource:
    """Take the captions of a folder's pictures from where a person says.

    Args:
        tree: the pictures.
        chosen: a list or a folder of files of one picture each, relative to the source or absolute, or `IN_NAMES`.
        columns: those of a list.
        template: makes captions for pictures without a file, or without words in their names.

    Raises:
        DataError: nothing is there.
    """
    if chosen == IN_NAMES:
        return CaptionsInNames(tree, template)
    place = tree.root / chosen
    if place.is_dir():
        return FilesBeside(tree.with_texts_of(place), template)
    return ListedPictures(tree, [list_at(place)], columns)


def why_unsuited(tree: Tree, chosen: str, columns: Columns) -> str | None:
    """Say why what a person chooses, as in `chosen_source`, has no captions of pictures that are there; else None."""
    place = tree.root / chosen
    if chosen == IN_NAMES:
        return None if CaptionsInNames(tree).first is not None else "no name of a picture holds words"
    if place.is_dir():
        belongs = FilesBeside(tree.with_texts_of(place)).texts.count > 0
        return None if belongs else f"no file in {chosen} belongs to a picture"
    try:
        why = why_none(list_at(place), folder_of(tree, place), columns, PictureNames(tree))
    except DataError as error:
        why = error.message
    except OSError as error:
        why = f"it cannot be opened ({error.strerror})"
    return None if why is None else f"{chosen} cannot be its list: {why.rstrip('.')}"
