"""Text encoders of prepared data: built, fitted where they learn, and their features of all captions cached."""

from __future__ import annotations

import json
import re
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch

from stackgan_cli.components.component import Kind, blaming
from stackgan_cli.components.fitting import fit, learnt_options
from stackgan_cli.components.protocols import Fits, StandsForFeatures
from stackgan_cli.components.storage import save_component
from stackgan_cli.dataset.caption_features import encode_all
from stackgan_cli.errors import DataError
from stackgan_cli.files import atomic_folder, sweep
from stackgan_cli.models.folder import copy_component, hash_of
from stackgan_cli.preparing.writing import with_encoder
from stackgan_cli.randomness import seed_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from stackgan_cli.components.binding import Binding
    from stackgan_cli.dataset.prepared import PreparedData, Split
    from stackgan_cli.models.folder import ModelFolder
    from stackgan_cli.progress import Progress

_HEADER_BYTES = 1024
"""Room for the header, which is known only at the end; the format lets spaces fill it up."""
_TYPES = {torch.float32: "F32", torch.bool: "BOOL"}
_EMPTY = {"words": 0.0, "padding": 1.0}
"""What stands beyond a caption's last word."""
_UNUSUAL = re.compile(r"[^A-Za-z0-9._-]")


def folder_name(full_name: str, features: str | None = None) -> str:
    """Name of an encoder's folder: bare for a built-in encoder, with its package for others.

    One that only stands for features that the source holds ready has their name behind its own, because data may have
    several.
    """
    package, _, name = full_name.partition(":")
    whole = name if package == "stackgan-cli" else f"{package}--{name}"
    return whole if features is None else f"{whole}-{_UNUSUAL.sub('_', features)}"


def has_encoder(data: PreparedData, encoder: Binding) -> bool:
    """Whether the data was prepared with this text encoder, of this version and with these options."""
    return any(map(encoder.is_as, data.manifest.encoders.values()))


def add_encoder(
    data: PreparedData,
    bound: Binding,
    *,
    seed: int,
    progress: Progress,
    features: Callable[[str], Callable[[str], NDArray[np.float32]]],
) -> dict[str, float]:
    """Fit a text encoder to the training split and cache its features of every caption in a folder of its own.

    Whoever calls this keeps other processes away from the data.

    Args:
        data: the prepared data.
        bound: the encoder with its options.
        seed: of everything random.
        progress: told how far it is.
        features: finds features that the source holds ready by their name, for encoders that only stand for them.

    Returns:
        What the encoder measured of itself while it was fitted.

    Raises:
        ComponentError: the encoder is broken.
        DataError: it reads captions, and the data has none.
    """
    assert bound.component is not None
    sweep(data.folder / "text")
    encoder = bound.build(seed=seed_of(seed, "text encoder"))
    if not data.manifest.captioned:
        refuse_reading(encoder, f"the text encoder {bound.component.name}", data.name)
    measured = {}
    if isinstance(encoder, Fits):
        with progress.phase("Fitting") as report:
            measured = fit(encoder, bound.described, data.train, seed=seed, report=report)
    if isinstance(encoder, torch.nn.Module):
        # Captions are described as they will be when the saved copy draws.
        encoder.eval()
    stands_for = encoder.source_features if isinstance(encoder, StandsForFeatures) else None
    target = data.folder / "text" / folder_name(bound.component.full_name, stands_for)
    with atomic_folder(target) as folder:
        with blaming(bound.described, "encoding captions"):
            _write_features(folder, encoder, stands_for, data, features, progress)
        entry = bound.entry(learnt_options(encoder))
        save_component(folder, entry, encoder)
    data.manifest = with_encoder(data.folder, target.name, entry)
    if stands_for is not None:
        progress.warn(data.no_sentences)
    return measured


def refuse_reading(encoder: Any, described: str, place: str) -> None:
    """Refuse a text encoder that reads captions for data that has features of its captions and not their text.

    Raises:
        DataError: it is such an encoder.
    """
    if not isinstance(encoder, StandsForFeatures):
        raise DataError(
            f"{place} has features of its captions and not their text, so {described} has nothing to read.",
            hint="--encoder precomputed for the features; or put captions into the source, and prepare with --force",
        )


def add_encoder_of(model: ModelFolder, data: PreparedData, progress: Progress) -> None:
    """Take the text encoder of a model as it is, and cache its features of every caption.

    Whoever calls this keeps other processes away from the data.

    Args:
        model: whose encoder it is.
        data: the prepared data.
        progress: told how far it is.

    Raises:
        DataError: the data has another encoder of this name, which stays as it is, or no captions to read.
        ModelError: the model is damaged.
        ComponentError: the encoder is not installed, or fails.
    """
    encoder, entry = model.load(Kind.TEXT_ENCODER)
    if isinstance(encoder, StandsForFeatures):
        raise DataError(
            f"The model {model.name!r} read features that its data held ready, and has no encoder that reads captions.",
            hint="prepare with --encoder",
        )
    if not data.manifest.captioned:
        refuse_reading(encoder, f"the text encoder of {model.name}", data.name)
    target = data.folder / "text" / folder_name(entry.name)
    sweep(data.folder / "text")
    if target.is_dir():
        if hash_of(target) == model.encoder_hash():
            progress.say(f"The text encoder of {model.name} is there already.")
            return
        raise DataError(
            f"{data.name!r} has another text encoder {entry.bare_name!r} than the model {model.name!r}.",
            hint=f"--data with another name, for features of the encoder of {model.name}",
        )
    with atomic_folder(target) as folder:
        with blaming(entry.described(Kind.TEXT_ENCODER), "encoding captions"):
            _write_features(folder, encoder, None, data, None, progress)
        copy_component(model.encoder_folder, folder)
    data.manifest = with_encoder(data.folder, target.name, entry)


def _write_features(
    folder: Path,
    encoder: Any,
    stands_for: str | None,
    data: PreparedData,
    features: Callable[[str], Callable[[str], NDArray[np.float32]]] | None,
    progress: Progress,
) -> None:
    """Write the features of both splits; nothing for a split without pictures."""
    total = int(data.train.caption_counts.sum() + data.test.caption_counts.sum())
    done = 0
    with progress.phase("Encoding captions" if stands_for is None else "Copying features", total) as report:
        for split in (data.train, data.test):
            if not len(split):
                continue
            batches = (
                encode_all(encoder, chain.from_iterable(split.captions))
                if stands_for is None or features is None
                else looked_up(split, features(stands_for))
            )
            with FeatureFile(folder / f"{split.name}.safetensors") as file:
                for count, tensors in batches:
                    file.write(tensors)
                    report(done + count, total)
                done += count
            if stands_for is not None:
                encoder.width = file.width


def looked_up(split: Split, of: Callable[[str], NDArray[np.float32]]) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Look up the features (captions, width) that the source holds of each picture of a split, by the picture's name.

    Yields:
        How many captions are done, and the vectors of a picture's captions.

    Raises:
        DataError: there are none for a picture, or for another number of captions.
    """
    done = 0
    for name, count in zip(split.names, split.caption_counts.tolist(), strict=True):
        try:
            rows = of(name)
        except KeyError:
            raise DataError(
                f"The source holds no text features of {name}.", hint="Choose an encoder that reads captions."
            ) from None
        if rows.shape[0] != count:
            raise DataError(
                f"The source holds text features of {rows.shape[0]} captions of {name}, which has {count}.",
                hint="Choose an encoder that reads captions: --encoder char-cnn-rnn",
            )
        done += count
        yield done, {"sentence": torch.from_numpy(np.ascontiguousarray(rows, np.float32))}


class FeatureFile:
    """Writes the features of a split's captions to one safetensors file, batch by batch, so that memory does not grow.

    The vectors of sentences go straight into the file. What describes words is kept beside it until the length of the
    longest caption is known. A context manager.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = path.open("wb")
        self._file.write(b" " * _HEADER_BYTES)
        self._parts: dict[str, _Part] = {}
        self.width = 0

    def __enter__(self) -> FeatureFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._finish()
        for part in self._parts.values():
            part.close()
        self._file.close()

    def write(self, tensors: dict[str, Tensor]) -> None:
        """Append a batch.

        Args:
            tensors: ``sentence`` (batch, width), float32, and perhaps ``words`` (batch, length, word_width), float32,
                and ``padding`` (batch, length), bool; every batch has the same ones.
        """
        if not self._parts:
            self._parts = {
                name: _Part(self._file if name == "sentence" else self._path.with_suffix(f".{name}"))
                for name in tensors
            }
            self.width = tensors["sentence"].shape[1]
        for name, tensor in tensors.items():
            self._parts[name].write(tensor)

    def _finish(self) -> None:
        header: dict[str, Any] = {}
        at = 0
        for name, part in self._parts.items():
            length = self.width
            if name in _EMPTY:
                length = max(length for _, length in part.batches)
                part.pad_into(self._file, length, _EMPTY[name])
            end = self._file.tell() - _HEADER_BYTES
            header[name] = {"dtype": part.type, "shape": part.shape(length), "data_offsets": [at, end]}
            at = end
        text = json.dumps(header).encode()
        self._file.seek(0)
        self._file.write((_HEADER_BYTES - 8).to_bytes(8, "little") + text.ljust(_HEADER_BYTES - 8))


class _Part:
    """The batches of one tensor, in the file itself or in one of their own."""

    def __init__(self, where: BinaryIO | Path) -> None:
        self._own = where if isinstance(where, Path) else None
        self._file = where.open("w+b") if isinstance(where, Path) else where
        self.batches: list[tuple[int, int]] = []
        self._like = torch.empty(0)

    @property
    def type(self) -> str:
        return _TYPES[self._like.dtype]

    def write(self, tensor: Tensor) -> None:
        self._like = tensor[:0]
        self.batches.append((tensor.shape[0], tensor.shape[1]))
        self._file.write(tensor.numpy().tobytes())

    def shape(self, length: int) -> list[int]:
        return [sum(rows for rows, _ in self.batches), length, *self._like.shape[2:]]

    def pad_into(self, file: BinaryIO, longest: int, value: float) -> None:
        self._file.seek(0)
        rest = self._like.shape[2:]
        for rows, length in self.batches:
            data = self._file.read(rows * length * rest.numel() * self._like.element_size())
            padded = self._like.new_full((rows, longest, *rest), value)
            padded[:, :length] = torch.frombuffer(bytearray(data), dtype=self._like.dtype).view(rows, length, *rest)
            file.write(padded.numpy().tobytes())

    def close(self) -> None:
        if self._own is not None:
            self._file.close()
            self._own.unlink(missing_ok=True)
