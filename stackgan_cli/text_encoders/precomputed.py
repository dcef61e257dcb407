"""Text features that came with the data, standing for the encoder that made them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from stackgan_cli.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Precomputed:
    """Stands for the text features that a source holds ready, such as the published char-CNN-RNN embeddings.

    It cannot read a new sentence: that takes the encoder which made them.

    Args:
        features: name of the features in the source, such as ``char-cnn-rnn``.
        width: width of a sentence vector; found out when they are copied where None.
    """

    def __init__(self, *, features: str = "char-cnn-rnn", width: int | None = None) -> None:
        if not features or (width is not None and width < 1):
            raise SettingsError(
                f"precomputed cannot stand for features {features!r} of width {width}.", "features=char-cnn-rnn"
            )
        self.source_features = features
        self.width = width or 1024

    @property
    def learnt_options(self) -> dict[str, Any]:
        """The width, which the source decides."""
        return {"width": self.width}

    def encode(self, captions: Sequence[str]) -> NoReturn:
        """Refuse.

        Raises:
            SettingsError: always.
        """
        first = f" {captions[0]!r}" if captions else ""
        raise SettingsError(
            f"Nothing here can read{first}: this data brought {self.source_features} features, not the encoder that "
            "made them.",
            "Prepare and train on the captions themselves, with --encoder char-cnn-rnn or another encoder that reads.",
        )
