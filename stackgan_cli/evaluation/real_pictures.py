"""Real pictures as an extractor describes them: each is looked at once, and remembered beside the data."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from stackgan_cli.components.protocols import AttributeProbabilities, Observation
from stackgan_cli.errors import StackganError
from stackgan_cli.evaluation.observing import joined
from stackgan_cli.evaluation.samples import real_pictures
from stackgan_cli.files import atomic_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import Tensor

    from stackgan_cli.dataset.prepared import PreparedData, Split
    from stackgan_cli.evaluation.observing import Observer

FOLDER = "evaluation"
"""Within prepared data."""


class RealPictures:
    """Describes real pictures of prepared data.

    What is remembered lies under a hash of everything that it depends on: the data's fingerprint, the split, the
    resolution and whatever the extractor says of itself. A file that is damaged is made again.

    Args:
        data: whose pictures they are.
        observer: describes them.
        resolution: side in pixels that they are looked at.
    """

    def __init__(self, data: PreparedData, observer: Observer, resolution: int) -> None:
        self._data, self._observer, self._resolution = data, observer, resolution

    def observe(self, split: Split, indices: Sequence[int], report: Callable[[int], None]) -> Observation:
        """Describe pictures of a split.

        Args:
            split: of the data.
            indices: of the pictures, some of them perhaps several times.
            report: told how many more are done, again and again.

        Raises:
            ComponentError: the extractor fails, or answers in another form than it should.
        """
        depends = {
            "data": self._data.fingerprint,
            "split": split.name,
            "resolution": self._resolution,
            "extractor": self._observer.spec(),
            "tells": sorted(self._observer.fills),
        }
        key = json.dumps(depends, sort_keys=True)
        name = f"{split.name}-{self._resolution}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.safetensors"
        path = self._data.folder / FOLDER / name
        known = _read(path, key)
        places = {} if known is None else {picture: at for at, picture in enumerate(known[0])}
        missing = [picture for picture in dict.fromkeys(indices) if picture not in places]
        if known_before := len(indices) - len(missing):
            report(known_before)
        if missing:
            seen = self._observer.observe(real_pictures(split, missing, self._resolution), report)
            known = (missing, seen) if known is None else ([*known[0], *missing], joined([known[1], seen]))
            # A disk that is full or read only costs nothing but the time to look again.
            with suppress(StackganError, OSError):
                _write(path, key, *known)
            places = {picture: at for at, picture in enumerate(known[0])}
        assert known is not None
        found = picked(known[1], [places[picture] for picture in indices])
        return replace(found, temperature=self._observer.temperature)


def picked(observed: Observation, places: Sequence[int]) -> Observation:
    """What was seen of some pictures, by their places."""
    rows = torch.tensor(list(places), dtype=torch.long)
    attributes = observed.attributes
    if attributes is not None:
        attributes = {name: [values[at] for at in places] for name, values in attributes.items()}
    logits, weighed = None if observed.logits is None else observed.logits[rows], observed.probabilities
    if weighed is not None:
        weighed = replace(weighed, logarithms=weighed.logarithms[rows])
    features = observed.features[rows]
    return replace(observed, features=features, logits=logits, attributes=attributes, probabilities=weighed)


def _read(path: Path, key: str) -> tuple[list[int], Observation] | None:
    """Numbers of pictures and what was seen of them; None where there is nothing, or nothing that can be trusted."""
    from safetensors import safe_open

    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            told, names = file.metadata(), file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
        if told["key"] != key or told["sha256"] != _digest(tensors, told["attributes"]):
            return None
        words = json.loads(told["attributes"])
        attributes = None
        if "attributes" in tensors:
            columns = tensors["attributes"].unbind(1)
            attributes = {
                name: [values[at] for at in column.tolist()]
                for (name, values), column in zip(words["values"], columns, strict=True)
            }
        weighed = None
        if "probabilities" in tensors:
            pairs = [(name, value) for name, value in words["weighed"]]
            weighed = AttributeProbabilities(pairs, tensors["probabilities"])
        seen = Observation(tensors["features"], tensors.get("logits"), attributes, weighed)
        return tensors["pictures"].tolist(), seen
    except Exception:
        # Whatever is wrong with the file, the pictures are there to be looked at again.
        return None


def _write(path: Path, key: str, pictures: Sequence[int], seen: Observation) -> None:
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {"pictures": torch.tensor(list(pictures)), "features": seen.features.contiguous()}
    if seen.logits is not None:
        tensors["logits"] = seen.logits.contiguous()
    words: dict[str, Any] = {}
    if seen.probabilities is not None:
        words["weighed"] = list(seen.probabilities.columns)
        tensors["probabilities"] = seen.probabilities.logarithms.contiguous()
    if seen.attributes:
        words["values"] = [[name, sorted(set(values))] for name, values in seen.attributes.items()]
        numbers = [{word: at for at, word in enumerate(each)} for _, each in words["values"]]
        columns = zip(seen.attributes.values(), numbers, strict=True)
        tensors["attributes"] = torch.tensor([[number[word] for word in values] for values, number in columns]).T
        tensors["attributes"] = tensors["attributes"].contiguous()
    told = {"key": key, "attributes": json.dumps(words)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        save_file(tensors, temporary, metadata={**told, "sha256": _digest(tensors, told["attributes"])})


def _digest(tensors: dict[str, Tensor], attributes: str) -> str:
    whole = hashlib.sha256(attributes.encode())
    for name in sorted(tensors):
        whole.update(f"{name} {tuple(tensors[name].shape)} {tensors[name].dtype}".encode())
        whole.update(tensors[name].contiguous().numpy().tobytes())
    return whole.hexdigest()
