"""Picture-text matching: the generator is told, caption by caption, what of it its pictures do not show."""

from __future__ import annotations

import math
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional as F

from stackgan_cli.errors import DataError, SettingsError
from stackgan_cli.machine import fast_half_type
from stackgan_cli.objectives.matching_networks import (
    UNSTATED,
    Labels,
    LearntPictures,
    SeenPictures,
    TextSide,
    disturbed,
)
from stackgan_cli.objectives.recombined import RecombinedCaptions
from stackgan_cli.randomness import generator_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from torch import Tensor

    from stackgan_cli.components.protocols import CaptionedData, TextFeatures, Update

MOST_PICTURES = 20_000
"""Pictures to learn from, at most: they are held in memory."""
_AT_ONCE = 256
_HELD_OUT = 256
_MOST_PASSES = 40
_LOOKED_AT = 16
_VIEWS = 4
"""Disturbed forms of each picture that an extractor looks at, once, before the head behind it learns of them."""


class PictureTextMatching(nn.Module):
    """A network that learns which caption belongs to which real picture, and then judges the generator's batch.

    A discriminator says of a picture and its caption that something is wrong; this objective says what. It learns
    first, on the real training pictures: by contrastive learning (Oord et al. 2018; Zhang et al. 2021, *XMC-GAN*,
    section 4), and, where the data knows attributes or classes, by telling them from the picture and, which are stated,
    from the caption's features. Then it is frozen. The generator is trained so that each of its pictures is found by
    its caption among those of the batch, and the caption by the picture, and so that what the caption states is what
    the picture side reads. What is not stated is left free.

    Args:
        text_width: width of the sentence vector.
        features: a feature extractor to look through (``stackgan components list``), of whose maps only a small head
            learns; by default a network is learnt from nothing, which suits pictures that are no photographs.
        side: side in pixels at which pictures are looked at; by default 64, or 96 through an extractor.
        width: of the space in which pictures and captions meet.
        channels: of the learnt network's first layer.
        fit_steps: batches to learn from; fewer where these would pass 40 times over the pictures.
        fit_batch: pictures in one.
        attributes: weight of what is read off the picture, beside the contrastive loss.
        recombined: how many captions of what no picture shows to make of the training captions, and no more than
            these are, by exchanging the values of attributes that take the same ones (a red bird with black wings for
            a gray bird with red wings).
            In half of the steps, by lot, the generator also draws for as many of them as its batch has, and is asked
            for what they state. No discriminator judges these pictures, having seen nothing like them. 0 makes none;
            fewer or none are made where captions hardly or never state such values in the data's words for them.
        labels: values of each attribute, in order; found out by :meth:`fit`, and stored with the weights.

    Raises:
        ComponentError: the feature extractor is not here.
        SettingsError: a number is out of its range.
    """

    def __init__(
        self,
        *,
        text_width: int,
        features: str | None = None,
        side: int | None = None,
        width: int = 128,
        channels: int = 48,
        fit_steps: int = 1500,
        fit_batch: int = 64,
        attributes: float = 1.0,
        recombined: int = 0,
        labels: list[list[str]] | None = None,
    ) -> None:
        super().__init__()
        self.side, self._text_width = side or (96 if features else 64), text_width
        least = 32 if features else 16
        from_one, from_nought = (text_width, width, channels, fit_steps), (attributes, recombined)
        if min(from_one) < 1 or min(from_nought) < 0 or fit_batch < 2 or self.side < least:
            raise SettingsError(
                "matching cannot be built with such numbers.",
                hint=f"side from {least}, width, channels and fit_steps from 1, fit_batch from 2, attributes and "
                "recombined from 0",
            )
        self._fit_steps, self._fit_batch, self._attributes = fit_steps, fit_batch, attributes
        self._picture_side: Callable[[Labels], LearntPictures | SeenPictures] = partial(
            LearntPictures, self.side, width, channels
        )
        if features:
            self._picture_side = partial(SeenPictures, features, width)
        self._text_side = partial(TextSide, text_width, width)
        known = Labels({names[0]: tuple(names[1:]) for names in labels or ()})
        self._wanted = recombined
        self.recombined: RecombinedCaptions | None = None
        if recombined:
            nothing = torch.full((recombined, len(known.values)), UNSTATED)
            self.recombined = RecombinedCaptions(torch.zeros(recombined, text_width), nothing)
        self._begin(known)
        self.requires_grad_(False).eval()

    @property
    def learnt_options(self) -> dict[str, Any]:
        """The labels that :meth:`fit` found, and how many captions it recombined."""
        labels = [[name, *values] for name, values in self.labels.values.items()]
        return {"labels": labels, "recombined": 0 if self.recombined is None else len(self.recombined)}

    def generator_terms(self, update: Update) -> Mapping[str, Tensor]:
        """Give the contrastive loss of the generated batch, and the loss of what is read off it."""
        images = disturbed(self.sized(update.generated.images), update.random("matching"))
        pictures, read = self.picture(images)
        texts, stated = self.text(update.text.sentence)
        terms = {"": self._contrast(pictures, texts)}
        if self.labels.values and self._attributes:
            terms["attributes"] = self._attributes * self.labels.disagreement(read, stated)
            if self.recombined is not None and _has_its_turn(update.step):
                terms["recombined"] = self._attributes * self._of_recombined(self.recombined, update)
        return terms

    def _of_recombined(self, recombined: RecombinedCaptions, update: Update) -> Tensor:
        """What pictures of recombined captions do not show of what these state."""
        text, values = recombined.some(len(update.text.sentence), update.random("recombined"))
        images = self.sized(update.draw(text, "recombined").images)
        _, read = self.picture(disturbed(images, update.random("recombined, disturbed")))
        return self.labels.missing(read, values)

    def fit(self, data: CaptionedData, *, seed: int, report: Callable[[int, int, str], None]) -> dict[str, float]:
        """Learn from the training split; see the class.

        Returns:
            ``caption_to_picture``: the share of captions whose picture is found among 64, of pictures held out of
            fitting; ``attributes``, the share of what captions state that is read off these pictures; and
            ``recombined``, how many captions were made of others.

        Raises:
            DataError: fewer than two pictures have captions.
            SettingsError: it was built for other features than those of the captions, or it is to recombine captions of
                data whose text encoder only stands for features that the source gave.
        """
        usable = torch.tensor([place for place, texts in enumerate(data.captions) if texts])
        if len(usable) < 2:
            raise DataError("matching cannot be fitted: fewer than two pictures have captions.", hint="more captions")
        described = data.text(usable[:1].tolist(), [0]).sentence.shape[1]
        if described != self._text_width:
            raise SettingsError(
                f"matching cannot be fitted: it was built for sentences of {self._text_width} numbers, and the captions"
                f' have {described}. With judge_by = "condition", objectives are built for the condition.',
                hint='--set judge_by="text", or other objectives',
            )
        order = usable[torch.randperm(len(usable), generator=generator_for(seed, "pictures"))][:MOST_PICTURES]
        held = min(_HELD_OUT, len(order) // 10)
        labels, targets, stated = Labels.of(data, order)
        self._begin(labels)
        pictures = torch.cat([data.pictures(part.tolist(), self.side) for part in torch.split(order, _AT_ONCE)])
        pool = _Pool(data, order, pictures, targets, stated)
        self.requires_grad_(True)
        # An extractor does not learn, and this asks the picture side itself.
        self.picture.requires_grad_(True)
        places = range(held, len(order))
        steps = min(self._fit_steps, _MOST_PASSES * math.ceil(len(places) / self._fit_batch))
        if self._wanted:
            known = (data, order[held:].tolist(), labels, targets[held:], stated[held:])
            draw = generator_for(seed, "recombined")
            self.recombined = RecombinedCaptions.of(*known, wanted=self._wanted, draw=draw)
        self._learn(pool, _draws(places, self._fit_batch, steps, seed), steps, seed, report)
        self.requires_grad_(False).eval()
        measured = self._measure(pool, range(held or len(order)), seed)
        return measured | ({"recombined": float(len(self.recombined or ()))} if self._wanted else {})

    def train(self, mode: bool = True) -> PictureTextMatching:
        """Stay in evaluation mode: the networks learn in :meth:`fit` alone."""
        return super().train(mode and self.scale.requires_grad)

    def _begin(self, labels: Labels) -> None:
        """Draw all weights anew, by torch's default generator."""
        self.labels = labels
        self.picture, self.text = self._picture_side(labels), self._text_side(labels)
        self.scale = nn.Parameter(torch.tensor(14.0).log())

    def sized(self, images: Tensor) -> Tensor:
        """Pictures (batch, 3, any, any) at the side that is looked at."""
        if images.shape[-1] == self.side:
            return images
        shrinks = images.shape[-1] > self.side
        return F.interpolate(images, size=(self.side, self.side), mode="bilinear", antialias=shrinks)

    def _contrast(self, pictures: Tensor, texts: Tensor) -> Tensor:
        """Mean of both cross-entropies of finding the right one in the batch, in nats; vectors (batch, width)."""
        # Scores reach 100, where bfloat16 would tell them apart by halves.
        with torch.autocast(pictures.device.type, enabled=False):
            scores = self.scale.exp().clamp(max=100.0) * F.normalize(pictures.float()) @ F.normalize(texts.float()).T
        right = torch.arange(len(scores), device=scores.device)
        return (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2

    def _learn(
        self, pool: _Pool, draws: Iterable[Tensor], steps: int, seed: int, report: Callable[[int, int, str], None]
    ) -> None:
        self.train()
        half = fast_half_type(torch.device("cpu"))
        views, looks = [], 0
        if isinstance(self.picture, SeenPictures):
            looks = _VIEWS * math.ceil(len(pool) / _LOOKED_AT)
            views = self._views(self.picture, pool, seed, lambda done: report(done, looks + steps, "looking"))
        weights = [weight for weight in self.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(weights, lr=2e-3, weight_decay=0.02, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps, pct_start=0.1)
        for step, drawn in enumerate(draws):
            text, targets, stated = pool.said(drawn, generator_for(seed, "captions", step))
            with torch.autocast("cpu", half, enabled=half is not None):
                if isinstance(self.picture, SeenPictures):
                    pictures, read = self.picture.read(views[step % len(views)][drawn])
                else:
                    pictures, read = self.picture(disturbed(pool.images(drawn), generator_for(seed, "disturbed", step)))
                texts, said = self.text(text.sentence)
            # Summed: in their mean, what covers few pixels, as wings and patterns do, is hardly learnt.
            loss = self._contrast(pictures, texts) + len(read) * self.labels.loss(read, said, targets, stated)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            if (step + 1) % 20 == 0 or step + 1 == steps:
                report(looks + step + 1, looks + steps, f"loss {loss.item():.2f}")

    @torch.no_grad()
    def _views(self, through: SeenPictures, pool: _Pool, seed: int, report: Callable[[int], None]) -> list[Tensor]:
        """What the extractor sees of all pictures (pictures, hidden), once for each way to disturb them."""
        half = fast_half_type(torch.device("cpu"))
        parts = torch.split(torch.arange(len(pool)), _LOOKED_AT)
        views: list[list[Tensor]] = [[] for _ in range(_VIEWS)]
        for done, (view, part) in enumerate(product(views, parts), 1):
            images = disturbed(pool.images(part), generator_for(seed, "view", done))
            with torch.autocast("cpu", half, enabled=half is not None):
                view.append(through.look(images).float())
            report(done)
        return [torch.cat(view) for view in views]

    @torch.no_grad()
    def _measure(self, pool: _Pool, places: range, seed: int) -> dict[str, float]:
        found, right, told = [], 0, 0
        for at in range(0, len(places), 64):
            drawn = torch.tensor(places[at : at + 64])
            text, targets, stated = pool.said(drawn, generator_for(seed, "measured", at))
            pictures, read = self.picture(pool.images(drawn))
            texts, _ = self.text(text.sentence)
            scores = F.normalize(texts.float()) @ F.normalize(pictures.float()).T
            found.append(scores.argmax(1) == torch.arange(len(scores)))
            guesses = torch.stack([each.argmax(1) for each in read], 1) if read else targets
            right += int(((guesses == targets) & stated).sum())
            told += int(stated.sum())
        measured = {"caption_to_picture": float(torch.cat(found).float().mean())}
        return measured | ({"attributes": right / told} if told else {})


class _Pool:
    """The training pictures as this objective draws from them.

    Args:
        data: that they are of.
        order: places of the pictures in the data.
        pictures: these, uint8.
        targets: (pictures, attributes) numbers of their values.
        stated: for each caption of each picture which attributes it states (captions, attributes).
    """

    def __init__(
        self, data: CaptionedData, order: Tensor, pictures: Tensor, targets: Tensor, stated: list[Tensor]
    ) -> None:
        self._data, self._order, self._pictures = data, order, pictures
        self._targets, self._stated = targets, stated
        self._counts = torch.tensor([len(data.captions[place]) for place in order.tolist()])

    def __len__(self) -> int:
        return len(self._pictures)

    def images(self, drawn: Tensor) -> Tensor:
        """Pictures (drawn, 3, side, side) in [-1, 1]."""
        return self._pictures[drawn].float().div(127.5).sub(1).contiguous(memory_format=torch.channels_last)

    def said(self, drawn: Tensor, draw: torch.Generator) -> tuple[TextFeatures, Tensor, Tensor]:
        """Features of one caption of each picture, its values, and which of these the caption states."""
        captions = (torch.rand(len(drawn), generator=draw) * self._counts[drawn]).long().tolist()
        stated = [self._stated[place][caption] for place, caption in zip(drawn.tolist(), captions, strict=True)]
        return self._data.text(self._order[drawn].tolist(), captions), self._targets[drawn], torch.stack(stated)


def _draws(places: range, batch: int, steps: int, seed: int) -> Iterator[Tensor]:
    """Places of the pictures of each step: epoch after epoch, each in an order of its own."""
    batch = min(batch, len(places))
    order: Tensor = torch.empty(0, dtype=torch.long)
    for step in range(steps):
        if len(order) < batch:
            order = torch.randperm(len(places), generator=generator_for(seed, "order", step)) + places.start
        yield order[:batch]
        order = order[batch:]


def _has_its_turn(step: int) -> bool:
    """By lot, the same in all processes, because a recipe may let an objective rest in any regular steps."""
    return bool(torch.rand((), generator=generator_for("recombined captions", step)) < 0.5)
