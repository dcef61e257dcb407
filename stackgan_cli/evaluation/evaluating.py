"""Draw the captions of the test split, measure the pictures beside real ones, and keep the whole protocol with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from stackgan_cli.dataset.caption_features import on_device
from stackgan_cli.evaluation.metrics import attribute_accuracy, frechet_distance, inception_score, wilson_interval
from stackgan_cli.pictures.pixels import to_bytes
from stackgan_cli.randomness import generator_for, seed_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from stackgan_cli.components.protocols import FeatureExtractor, TextFeatures
    from stackgan_cli.dataset.prepared import PreparedData, Split
    from stackgan_cli.pipeline import Pipeline

_AT_ONCE = 16

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Sample:
    """A caption to draw, and the picture it belongs to."""

    picture: int
    caption: int
    seed: int


@dataclass(slots=True)
class Seen:
    """What the extractor makes of a set of pictures."""

    features: Tensor
    logits: Tensor | None
    attributes: dict[str, list[str]] | None


def evaluate(
    pipeline: Pipeline,
    data: PreparedData,
    extractor: FeatureExtractor,
    *,
    count: int | None,
    seed: int,
    report: Callable[[int, int], None],
) -> dict[str, Any]:
    """Measure a model.

    Args:
        pipeline: the model.
        data: whose test captions are drawn and whose test pictures are compared with.
        extractor: fitted to the data's training split.
        count: pictures to draw; by default one for each test picture.
        seed: of captions and noise.
        report: told how many pictures of how many are done.

    Returns:
        ``protocol`` and ``rows``: one for the real test pictures (the ceiling), one for real training pictures (the
        floor of the distance), one for each stage, and one for the last stage beside shuffled captions (the floor of
        the accuracy).
    """
    split = data.test if len(data.test) else data.train
    samples = _samples(split, count or len(split), seed)
    read = _reading(pipeline, data, split)
    stages = pipeline.stages
    total, done = (len(stages) + 2) * len(samples), 0

    def tick(number: int) -> None:
        nonlocal done
        done += number
        report(done, total)

    size = pipeline.resolution
    real = _look(extractor, _real(split, [sample.picture for sample in samples], size), tick)
    draw = generator_for(seed, "floor")
    others = torch.randint(len(data.train), (len(samples),), generator=draw).tolist()
    floor = _look(extractor, _real(data.train, others, size), tick)
    rows = [
        _row("real test pictures", real, real.features, split, samples, seed),
        _row("real training pictures", floor, real.features, data.train, None, seed),
    ]
    for stage in stages:
        drawn = _look(extractor, _drawn(pipeline, read, samples, stage), tick)
        rows.append(_row(f"Stage-{'I' * stage}", drawn, real.features, split, samples, seed))
    if drawn.attributes is not None and split.attributes is not None and split.stated is not None:
        order = torch.randperm(len(samples), generator=draw).tolist()
        shuffled = [samples[at] for at in order]
        rows.append(_row(f"Stage-{'I' * stages[-1]}, captions shuffled", drawn, None, split, shuffled, seed))
    return {"protocol": _protocol(pipeline, data, split, extractor, samples, seed), "rows": rows}


def _samples(split: Split, count: int, seed: int) -> list[Sample]:
    """Choose a random caption of each picture in turn, and a noise seed for each."""
    draw = generator_for(seed, "captions")
    lots = torch.rand(count, generator=draw).tolist()
    pictures = [at % len(split) for at in range(count)]
    captions = [int(lot * len(split.captions[picture])) for picture, lot in zip(pictures, lots, strict=True)]
    return [Sample(p, c, seed_of(seed, "noise", at)) for at, (p, c) in enumerate(zip(pictures, captions, strict=True))]


def _real(split: Split, pictures: Sequence[int], size: int) -> list[Callable[[], Tensor]]:
    return [partial(split.pictures, part, size) for part in _batched(pictures)]


def _reading(pipeline: Pipeline, data: PreparedData, split: Split) -> Callable[[Sequence[Sample]], TextFeatures]:
    """Say how captions are read: by the model's encoder, or from the features that came with the data."""
    if pipeline.reads_captions:
        return lambda part: pipeline.encode([split.captions[sample.picture][sample.caption] for sample in part])
    encoder = pipeline.model.manifest.text_encoder
    table = split.features(data.encoder_folder(encoder.name, encoder.options))

    def look_up(part: Sequence[Sample]) -> TextFeatures:
        places = [torch.tensor([getattr(sample, name) for sample in part]) for name in ("picture", "caption")]
        return on_device(table.at(*places), pipeline.machine.device)

    return look_up


def _drawn(
    pipeline: Pipeline, read: Callable[[Sequence[Sample]], TextFeatures], samples: Sequence[Sample], stage: int
) -> list[Callable[[], Tensor]]:
    def draw(part: Sequence[Sample]) -> Tensor:
        return to_bytes(pipeline.generate(read(part), [sample.seed for sample in part], stage=stage)).cpu()

    return [partial(draw, part) for part in _batched(samples)]


def _batched(items: Sequence[Item]) -> list[Sequence[Item]]:
    return [items[at : at + _AT_ONCE] for at in range(0, len(items), _AT_ONCE)]


def _look(extractor: Any, batches: Sequence[Callable[[], Tensor]], tick: Callable[[int], None]) -> Seen:
    features: list[Tensor] = []
    logits: list[Tensor] = []
    attributes: dict[str, list[str]] = {}
    for make in batches:
        pictures = make()
        features.append(extractor.features(pictures))
        if hasattr(extractor, "logits"):
            logits.append(extractor.logits(pictures))
        if hasattr(extractor, "attributes"):
            for name, values in extractor.attributes(pictures).items():
                attributes.setdefault(name, []).extend(values)
        tick(len(pictures))
    return Seen(torch.cat(features), torch.cat(logits) if logits else None, attributes or None)


def _row(
    name: str, seen: Seen, real: Tensor | None, split: Split, samples: Sequence[Sample] | None, seed: int
) -> dict[str, Any]:
    row: dict[str, Any] = {"pictures": name, "count": len(seen.features)}
    if real is not None and real is not seen.features:
        row["frechet_distance"] = frechet_distance(real, seen.features)
    if real is not None and seen.logits is not None:
        row["inception_score"], row["inception_score_deviation"] = inception_score(seen.logits, seed)
    truth, known = split.attributes, split.stated
    if samples is not None and seen.attributes is not None and truth is not None and known is not None:
        stated = [known[sample.picture][sample.caption] for sample in samples]
        rows: Sequence[Mapping[str, str]] = [truth[sample.picture] for sample in samples]
        row["attribute_accuracy"] = {
            key: {"accuracy": right / total, "interval": wilson_interval(right, total), "right": right, "of": total}
            for key, (right, total) in attribute_accuracy(seen.attributes, rows, stated).items()
        }
    return row


def _protocol(
    pipeline: Pipeline,
    data: PreparedData,
    split: Split,
    extractor: FeatureExtractor,
    samples: Sequence[Sample],
    seed: int,
) -> dict[str, Any]:
    return {
        "model": pipeline.model.name,
        "stages": {stage: record.steps for stage, record in pipeline.model.manifest.stages.items()},
        "data": {"name": data.name, "fingerprint": data.fingerprint, "split": split.name},
        "captions": "one at random for each picture of the split, in turn",
        "generated": len(samples),
        "real": len(samples),
        "resolution": pipeline.resolution,
        "real_pictures": "centre crop, no flip",
        "precision": pipeline.machine.precision,
        "rounding": "to the nearest of 256 levels",
        "seed": seed,
        "extractor": extractor.spec(),
        "comparable_to": "models measured with this extractor's sha256 and this number of pictures, and nothing else",
    }
