"""Where the captions of a folder's pictures come from: the seam that every layout of such a folder goes through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from stackgan_cli.readers.columns import Columns
from stackgan_cli.readers.folder.beside import FilesBeside
from stackgan_cli.readers.folder.listing import ListedPictures, metadata_files

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

    Metadata files come first, then a file for each picture, then the template.

    Args:
        tree: the pictures and texts.
        columns: those of lists.
        template: makes captions where there are no others.
        left_out: told what else could have had captions.
    """
    lists = metadata_files(tree, left_out)
    if lists:
        if template is not None:
            reason = f"not used, because {lists[0].name} has the captions"
            left_out.add("the caption template", "options", reason)
        return ListedPictures(tree, lists, columns)
    if columns != Columns():
        left_out.add("the columns chosen", "options", "not used, because there is no metadata file")
    beside = FilesBeside(tree, template)
    return beside if beside.count or (template is not None and tree.pictures) else None
