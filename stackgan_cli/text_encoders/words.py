"""Words: letter n-grams and attention, a text encoder that tells which word belongs to which."""

from __future__ import annotations

import math
import re
import zlib
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.errors import SettingsError
from stackgan_cli.text_encoders.hashed_words import share_of_words
from stackgan_cli.text_encoders.joint_embedding import Settings, fit_joint_embedding
from stackgan_cli.text_encoders.rewording import Rewording

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stackgan_cli.components.protocols import FittingData

_TOKEN = re.compile(r"[^\W_]+|[.,;:!?]")
"""A word, or a mark that tells where one statement ends."""
_GRAMS = (3, 4)
_WIDTH_OF_HEAD = 32
_NEAR = 5
"""Words that a convolution sees at once."""
_AT_ONCE = 256
_MOST_PASSES = 200


class Words(nn.Module):
    """Describes a caption by its words and what they have to do with each other.

    A word is the mean of vectors of its letter n-grams, hashed to buckets (Bojanowski et al. 2017, *Enriching Word
    Vectors with Subword Information*), so that a word with a slip still resembles itself and no vocabulary is kept.
    Blocks of attention (Vaswani et al. 2017, with the norms first) relate the words; the sentence vector is read off a
    place before the first word. It learns as char-cnn-rnn does (:mod:`stackgan_cli.text_encoders.joint_embedding`),
    from captions that :class:`Rewording` changes.

    Args:
        width: width of the sentence vector.
        channels: width of a word's vector, a multiple of 32.
        layers: blocks of attention.
        buckets: vectors that letter n-grams share.
        length: words and marks of a caption that are read; the rest is cut.
        word_features: describe every word too, not the sentence alone.
        exchanged: share of captions whose values are exchanged in fitting, where the data knows attributes.
        slips: share of captions with a slip of the pen in fitting.
        fit_steps: steps of fitting; fewer where these would pass 200 times over the captions.
        fit_batch: pictures of distinct classes in each of them, and half the captions.
        fit_rate: learning rate of fitting at its highest.
        picture_every: steps from one that embeds pictures and captions jointly to the next.
        text_weight: weight of telling captions of one picture from those of others, beside captions from pictures.
        word_weight: weight of reading a caption's own words off its sentence vector.
        attribute_weight: weight of reading the stated attributes off it, for data that knows them.

    Raises:
        SettingsError: a number is out of its range.
    """

    def __init__(
        self,
        *,
        width: int = 256,
        channels: int = 128,
        layers: int = 2,
        buckets: int = 4096,
        length: int = 64,
        word_features: bool = False,
        exchanged: float = 0.5,
        slips: float = 0.1,
        fit_steps: int = 1500,
        fit_batch: int = 64,
        fit_rate: float = 2e-3,
        picture_every: int = 8,
        text_weight: float = 1.0,
        word_weight: float = 0.5,
        attribute_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if min(width, layers, buckets, length, fit_steps, picture_every) < 1 or fit_batch < 2 or fit_rate <= 0:
            raise SettingsError(
                "The text encoder 'words' cannot have such numbers.",
                "fit_batch of 2 or more, fit_rate above 0, and 1 or more for all others",
            )
        if channels < _WIDTH_OF_HEAD or channels % _WIDTH_OF_HEAD:
            raise SettingsError(f"The text encoder 'words' cannot have {channels} channels.", "a multiple of 32")
        if not (0 <= exchanged <= 1 and 0 <= slips <= 1):
            raise SettingsError("Shares of captions lie between 0 and 1.", "exchanged = 0.5, slips = 0.1")
        self.settings = Settings(
            steps=fit_steps,
            batch=fit_batch,
            rate=fit_rate,
            picture_every=picture_every,
            text_weight=text_weight,
            word_weight=word_weight,
            attribute_weight=attribute_weight,
        )
        self._exchanged, self._slips, self._length, self._word_features = exchanged, slips, length, word_features
        self._buckets = buckets
        self.grams = nn.EmbeddingBag(buckets, channels, mode="mean")
        self.places = nn.Parameter(torch.empty(length + 1, channels))
        self.blocks = nn.ModuleList(_Block(channels) for _ in range(layers))
        self.norm = nn.LayerNorm(channels)
        self.emb_proj = nn.Linear(channels, width)
        self.begin()

    def begin(self) -> None:
        """Draw all weights anew, by torch's default generator."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.LayerNorm | nn.EmbeddingBag | nn.Conv1d):
                module.reset_parameters()
        nn.init.normal_(self.places, std=0.1)

    @property
    def width(self) -> int:
        """Width of the sentence vector."""
        return int(self.emb_proj.out_features)

    def vectors(self, captions: Sequence[str]) -> Tensor:
        """Give sentence vectors (captions, width) of a batch of captions, with gradients."""
        sentence: Tensor = self(captions)[0]
        return sentence

    def forward(self, captions: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """Describe a batch of captions.

        Returns:
            Sentence vectors (captions, width), those of words (captions, length, channels), and where there is no word
            (captions, length).
        """
        device = self.places.device
        rows = [[found[0] for found in _TOKEN.finditer(caption.lower())][: self._length] for caption in captions]
        longest = max(1, *map(len, rows))
        known = {word: place for place, word in enumerate(dict.fromkeys(word for row in rows for word in row), 1)}
        numbers = torch.tensor([[known[word] for word in row] + [0] * (longest - len(row)) for row in rows])
        bags = [buckets_of(word, self._buckets) for word in known]
        flat = torch.tensor([bucket for bag in bags for bucket in bag], dtype=torch.long)
        offsets = torch.tensor([0, *map(len, bags)]).cumsum(0)[:-1]
        found = self.grams(flat.to(device), offsets.to(device)) if bags else self.places.new_zeros(0, 1)
        table = torch.cat([self.places.new_zeros(1, self.places.shape[1]), found.view(-1, self.places.shape[1])])
        numbers = numbers.to(device)
        # The place before the first word is empty at first; there the sentence is read.
        words = F.pad(table[numbers], (0, 0, 1, 0)) + self.places[: longest + 1]
        padding = F.pad(numbers == 0, (1, 0))
        for block in self.blocks:
            words = block(words, padding)
        words = self.norm(words)
        return self.emb_proj(words[:, 0]), words[:, 1:], padding[:, 1:]

    @torch.no_grad()
    def encode(self, captions: Sequence[str]) -> TextFeatures:
        """Describe captions; float32. Where words are described, a caption's longest row decides their number."""
        distinct = list(dict.fromkeys(captions))
        order = sorted(range(len(distinct)), key=lambda place: len(distinct[place]))
        device = self.places.device
        sentence = torch.empty(len(distinct), self.width, device=device)
        words = padding = None
        if self._word_features:
            longest = max(1, *(min(len(_TOKEN.findall(caption)), self._length) for caption in distinct))
            words = torch.zeros(len(distinct), longest, self.places.shape[1], device=device)
            padding = torch.ones(len(distinct), longest, dtype=torch.bool, device=device)
        for start in range(0, len(order), _AT_ONCE):
            batch = order[start : start + _AT_ONCE]
            found, each, empty = self([distinct[place] for place in batch])
            sentence[batch] = found.float()
            if words is not None and padding is not None:
                words[batch, : each.shape[1]] = each.float() * ~empty[..., None]
                padding[batch, : each.shape[1]] = empty
        numbers = {caption: place for place, caption in enumerate(distinct)}
        rows = torch.tensor([numbers[caption] for caption in captions], dtype=torch.long, device=device)
        if words is None or padding is None:
            return TextFeatures(sentence[rows])
        return TextFeatures(sentence[rows], words[rows], padding[rows])

    def coverage(self, caption: str) -> float:
        """Give the share of a caption's words, split at white space, that hold a letter or digit."""
        return share_of_words(caption)

    def fit(self, data: FittingData, *, seed: int, report: Callable[[int, int, str], None]) -> dict[str, float]:
        """Learn from captioned pictures, and from what the captions state where the data knows it.

        Raises:
            DataError: fewer than two pictures with captions.
        """
        self.begin()
        captions = sum(map(len, data.captions))
        steps = min(self.settings.steps, _MOST_PASSES * math.ceil(captions / (2 * self.settings.batch)))
        settings = replace(self.settings, steps=max(steps, 1))
        rewording = Rewording(self._exchanged, self._slips)
        return fit_joint_embedding(self, data, settings, seed=seed, report=report, reworded=rewording)


class _Block(nn.Module):
    """A convolution over neighbouring words, attention among all of them, then two layers for each word.

    What belongs together mostly stands together; attention alone takes thousands of steps to find that out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = channels // _WIDTH_OF_HEAD
        self.near_norm, self.attention_norm, self.norm = (nn.LayerNorm(channels) for _ in range(3))
        self.near = nn.Conv1d(channels, channels, _NEAR, padding=_NEAR // 2)
        self.parts = nn.Linear(channels, 3 * channels)
        self.joined = nn.Linear(channels, channels)
        self.layers = nn.Sequential(nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels))

    def forward(self, words: Tensor, padding: Tensor) -> Tensor:
        """Map words (batch, length, channels); nothing looks at what is padding (batch, length)."""
        there = self.near_norm(words) * ~padding[..., None]
        words = words + F.gelu(self.near(there.transpose(1, 2)).transpose(1, 2))
        parts = self.parts(self.attention_norm(words)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        queries, keys, values = parts.unbind(0)
        attended = F.scaled_dot_product_attention(queries, keys, values, attn_mask=~padding[:, None, None])
        words = words + self.joined(attended.transpose(1, 2).flatten(2))
        refined: Tensor = words + self.layers(self.norm(words))
        return refined


@lru_cache(maxsize=65_536)
def buckets_of(word: str, buckets: int) -> tuple[int, ...]:
    """Buckets of a word's letter n-grams and of the word as a whole; the same in every process."""
    marked = f"<{word}>"
    grams = [marked, *(marked[at : at + size] for size in _GRAMS for at in range(len(marked) - size + 1))]
    return tuple(zlib.crc32(gram.encode("utf-8", "surrogatepass")) % buckets for gram in dict.fromkeys(grams))
