"""Captions of what no picture shows, made of captions of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.errors import DataError
from stackgan_cli.objectives.matching_networks import UNSTATED
from stackgan_cli.text_encoders.rewording import Rewording

if TYPE_CHECKING:
    from torch import Tensor

    from stackgan_cli.components.protocols import CaptionedData
    from stackgan_cli.objectives.matching_networks import Labels

_MOST_TRIED = 40
"""Captions to try for each that is wanted, at most."""
_AT_ONCE = 512


class RecombinedCaptions(nn.Module):
    """Captions whose values are exchanged, and what they state then: the sky of one colour over the sea of another.

    Attributes:
        sentences: (count, text_width) sentence vectors.
        values: (count, attributes) numbers of the values that are stated, ``UNSTATED`` where none is.
    """

    sentences: Tensor
    values: Tensor

    def __init__(self, count: int, text_width: int, attributes: int) -> None:
        super().__init__()
        self.register_buffer("sentences", torch.zeros(count, text_width))
        self.register_buffer("values", torch.full((count, attributes), UNSTATED))

    def make(
        self,
        data: CaptionedData,
        pictures: list[int],
        labels: Labels,
        targets: Tensor,
        stated: list[Tensor],
        draw: torch.Generator,
    ) -> None:
        """Make them of captions drawn at random.

        Args:
            data: the training split.
            pictures: places of those whose captions count.
            labels: attributes and their values.
            targets: (pictures, attributes) numbers of their values.
            stated: which attributes each caption of each picture states (captions, attributes).
            draw: source of randomness.

        Raises:
            DataError: hardly a caption states values, in the words that the data has for them, of attributes that take
                the same ones.
        """
        wanted = len(self.sentences)
        rewording = Rewording(exchanged=1.0, slips=0.0)
        rewording.learn(labels.values)
        texts: list[str] = []
        values: list[Tensor] = []
        for _ in range(_MOST_TRIED):
            rows = torch.randint(len(pictures), (wanted,), generator=draw)
            lots = torch.rand(wanted, generator=draw).tolist()
            chosen = [(row, int(lot * len(stated[row]))) for row, lot in zip(rows.tolist(), lots, strict=True)]
            before = torch.where(torch.stack([stated[row][at] for row, at in chosen]), targets[rows], UNSTATED)
            captions, after = rewording([data.captions[pictures[row]][at] for row, at in chosen], before, draw)
            changed = (after != before).any(1).nonzero()[:, 0].tolist()
            texts += [captions[at] for at in changed]
            values += [after[at] for at in changed]
            if len(texts) >= wanted:
                break
        else:
            raise DataError(
                f"Captions cannot be recombined: of {wanted * _MOST_TRIED:,} that were tried, {len(texts):,} state "
                "values, in the words that the data has for them, of attributes that take the same ones.",
                hint="matching without its option recombined",
            )
        parts = [data.encode(texts[at : min(at + _AT_ONCE, wanted)]).sentence for at in range(0, wanted, _AT_ONCE)]
        self.sentences = torch.cat(parts).detach().float().cpu()
        self.values = torch.stack(values[:wanted])

    def some(self, count: int, draw: torch.Generator) -> tuple[TextFeatures, Tensor]:
        """Draw some of them, with what they state (count, attributes)."""
        rows = torch.randint(len(self.sentences), (count,), generator=draw)
        return TextFeatures(self.sentences[rows]), self.values[rows]
