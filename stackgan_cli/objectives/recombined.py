"""Captions of what no picture shows, made of captions of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.objectives.matching_networks import UNSTATED
from stackgan_cli.text_encoders.rewording import Rewording

if TYPE_CHECKING:
    from torch import Tensor

    from stackgan_cli.components.protocols import CaptionedData
    from stackgan_cli.objectives.matching_networks import Labels

_MOST_TRIED = 20
"""Captions to try for each that is wanted, at most."""


class RecombinedCaptions(nn.Module):
    """Captions whose values are exchanged, and what they state then: the sky of one colour over the sea of another.

    Args:
        sentences: (count, text_width) sentence vectors.
        values: (count, attributes) numbers of the values that are stated, ``UNSTATED`` where none is.
    """

    sentences: Tensor
    values: Tensor

    def __init__(self, sentences: Tensor, values: Tensor) -> None:
        super().__init__()
        self.register_buffer("sentences", sentences)
        self.register_buffer("values", values)

    @classmethod
    def of(
        cls,
        data: CaptionedData,
        pictures: list[int],
        labels: Labels,
        targets: Tensor,
        stated: list[Tensor],
        *,
        wanted: int,
        draw: torch.Generator,
    ) -> RecombinedCaptions | None:
        """Make them of captions drawn at random, those oftener that state what few state.

        A caption's weight is that of the rarest attribute it states: one over the number of captions that state it. How
        often something is stated comes of how the data was captioned, not of how hard it is to draw.

        Args:
            data: the training split.
            pictures: places of those whose captions count.
            labels: attributes and their values.
            targets: (pictures, attributes) numbers of their values.
            stated: which attributes each caption of each picture states (captions, attributes).
            wanted: how many, or as many as there are captions that state something.
            draw: source of randomness.

        Returns:
            They, fewer than wanted or None where captions hardly or never state values, in the words that the data has
            for them, of attributes that take the same ones.
        """
        if len(set(map(tuple, labels.values.values()))) == len(labels.values):
            return None
        said = torch.cat(stated)
        weights = (said / said.sum(0).clamp(min=1)).amax(1)
        if not weights.any():
            return None
        places = [(row, at) for row, each in enumerate(stated) for at in range(len(each))]
        wanted = min(wanted, int(weights.count_nonzero()))
        rewording = Rewording(exchanged=1.0, slips=0.0)
        rewording.learn(labels.values)
        texts: list[str] = []
        values: list[Tensor] = []
        for _ in range(_MOST_TRIED):
            drawn = torch.multinomial(weights, wanted, replacement=True, generator=draw)
            chosen = [places[at] for at in drawn.tolist()]
            before = torch.where(said[drawn], targets[[row for row, _ in chosen]], UNSTATED)
            captions, after = rewording([data.captions[pictures[row]][at] for row, at in chosen], before, draw)
            changed = (after != before).any(1).nonzero()[:, 0].tolist()
            texts += [captions[at] for at in changed]
            values += [after[at] for at in changed]
            if len(texts) >= wanted:
                break
        if not texts:
            return None
        del texts[wanted:], values[wanted:]
        return cls(data.encode(texts).sentence, torch.stack(values))

    def __len__(self) -> int:
        return len(self.sentences)

    def some(self, count: int, draw: torch.Generator) -> tuple[TextFeatures, Tensor]:
        """Draw some of them, with what they state (count, attributes)."""
        rows = torch.randint(len(self), (count,), generator=draw)
        return TextFeatures(self.sentences[rows]), self.values[rows]
