"""``evaluate`` as its judges would try it: generators that are bad in one way each, and the same command twice."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from stackgan_cli.components.component import Kind
from stackgan_cli.components.registry import find
from stackgan_cli.dataset.prepared import PreparedData
from stackgan_cli.models.folder import save_stage, save_text_encoder
from stackgan_cli.models.manifest import DataRecord, StageRecord

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("on_one_thread")]

SIDE = 32
DRAWINGS = 8
"""Different pictures that a generator knows for each caption."""
COLOURS = {
    "red": (200, 40, 40),
    "green": (40, 160, 60),
    "blue": (50, 70, 200),
    "yellow": (220, 200, 60),
    "white": (230, 230, 230),
}
HALVES = {"small": 6, "large": 10}
SIDES = {"left": 11, "right": 21}
PATTERNS = ("plain", "striped", "dotted")
EXTRACTOR = {"width": 16, "channels": 16, "input_side": 32, "epochs": 24}
GENERATOR = """
import torch
from stackgan_cli.components.protocols import Generated


class Table(torch.nn.Module):
    def __init__(self, *, text_width, resolution, rows):
        super().__init__()
        self.resolution, self.noise_width = resolution, 1
        self.register_buffer("sentences", torch.zeros(rows, text_width))
        self.register_buffer("pictures", torch.zeros(rows * DRAWINGS, 3, resolution, resolution))

    def forward(self, noise, text):
        row = torch.cdist(text.sentence, self.sentences).argmin(1)
        # Every drawing is as likely as any other.
        which = (torch.special.ndtr(noise[:, 0]) * DRAWINGS).long().clamp(0, DRAWINGS - 1)
        return Generated(self.pictures[row * DRAWINGS + which])
""".replace("DRAWINGS", str(DRAWINGS))


class Box(NamedTuple):
    """What is on a picture."""

    size: str
    colour: str
    pattern: str
    side: str
    ground: str

    @property
    def captions(self) -> list[str]:
        return [
            f"a {self.size} {self.colour} box, {self.pattern}, on the {self.side} of {self.ground} ground",
            f"on {self.ground} ground, to the {self.side}: a {self.pattern} box, {self.size} and {self.colour}",
        ]


BOXES = [Box(*each) for each in product(HALVES, COLOURS, PATTERNS, SIDES, COLOURS) if each[1] != each[4]]


def paint(box: Box, draw: random.Random) -> np.ndarray:
    """A picture (side, side, 3) of a box, each time a little elsewhere, of another size and in another light."""
    half = HALVES[box.size] + draw.uniform(-1, 1)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    inside = (abs(rows - SIDE / 2 - draw.uniform(-4, 4)) < half) & (
        abs(columns - SIDES[box.side] - draw.uniform(-2, 2)) < half
    )
    dark = {"plain": rows < 0, "striped": rows % 4 < 2, "dotted": (rows % 4 < 2) & (columns % 4 < 2)}[box.pattern]
    colours = np.where(dark[..., None], 0, np.array(COLOURS[box.colour]))
    picture = np.where(inside[..., None], colours, np.array(COLOURS[box.ground]))
    noise = np.random.default_rng(draw.getrandbits(32)).normal(0, 6, picture.shape)
    return (picture * draw.uniform(0.85, 1.1) + noise).clip(0, 255).astype(np.uint8)


@pytest.fixture
def made(stackgan: Callable[..., Any], install: Callable[..., Path], empty_home: Path, tmp_path: Path) -> Path:
    """A home with the data ``boxes``, and with other pictures of the same boxes, as the data ``others``."""
    install("tables", "[stackgan.stage1_generators]\ntable = tables:Table\n", GENERATOR)
    draw = random.Random(1)
    for name, times in (("boxes", {"train": 4, "test": 1}), ("others", {"train": DRAWINGS, "test": 1})):
        source, lines = tmp_path / name, []
        source.mkdir()
        for split, count in times.items():
            for at, box in enumerate(BOXES * count):
                Image.fromarray(paint(box, draw)).save(source / f"{split}-{at:04d}.png")
                lines.append({"file_name": f"{split}-{at:04d}.png", "captions": box.captions, "split": split})
        (source / "metadata.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
        prepare = ("prepare", "--data", name, "--source", source, "--encoder", "hashed-words")
        done = stackgan(*prepare, "--resolution", SIDE)
        assert done.code == 0, done.err
    return empty_home


def save(home: Path, name: str, pictures: Tensor) -> None:
    """A model that draws these pictures (captions, drawings, 3, side, side) for the test captions."""
    data = PreparedData(home / "data" / "boxes")
    encoder = data.encoder_folder(None)
    sentences = data.test.features(encoder)
    numbers = torch.arange(len(data.test)).repeat_interleave(2)
    text = sentences.at(numbers, torch.arange(2).repeat(len(data.test))).sentence
    host = {"text_width": text.shape[1], "resolution": SIDE}
    bound = find(Kind.STAGE1_GENERATOR, "table").bind(host, {"rows": len(text)})
    table = bound.build()
    table.load_state_dict({"sentences": text, "pictures": pictures.repeat_interleave(2, dim=0).flatten(0, 1)})
    folder = home / "models" / name
    folder.mkdir(parents=True)
    save_text_encoder(folder, encoder)
    record = StageRecord(generator=bound.entry(), resolution=SIDE, steps=1, of=1)
    save_stage(
        folder, 1, record, generator=table, beside={}, data=DataRecord(name="boxes", fingerprint=data.fingerprint)
    )


def pictures_of(home: Path, name: str) -> dict[str, Tensor]:
    """All training pictures of prepared data, uint8 (pictures, 3, side, side), by their first caption."""
    split = PreparedData(home / "data" / name).train
    places: dict[str, list[int]] = {}
    for at, (first, *_) in enumerate(split.captions):
        places.setdefault(first, []).append(at)
    return {caption: split.pictures(each, SIDE) for caption, each in places.items()}


def generators(home: Path) -> dict[str, Tensor]:
    """By name, the drawings (captions, drawings, 3, side, side) of each test picture's captions."""
    asked = [first for first, *_ in PreparedData(home / "data" / "boxes").test.captions]
    fresh, known = pictures_of(home, "others"), pictures_of(home, "boxes")
    faithful = torch.stack([fresh[caption][:DRAWINGS] for caption in asked]).float() / 127.5 - 1
    copies = torch.stack([known[caption][[at % 4 for at in range(DRAWINGS)]] for caption in asked]).float() / 127.5 - 1
    order = torch.randperm(len(asked) * DRAWINGS, generator=torch.Generator().manual_seed(0))
    soft = F.avg_pool2d(F.pad(faithful.flatten(0, 1), (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    return {
        "faithful": faithful,
        "copies": copies,
        "deaf": faithful.flatten(0, 1)[order].view_as(faithful),
        "rigid": faithful[:, :1].expand_as(faithful),
        "blurred": soft.view_as(faithful),
    }


def options_of(extractor: dict[str, int]) -> list[str]:
    return [part for name, value in extractor.items() for part in ("--extractor-option", f"{name}={value}")]


def worst(rows: dict[str, dict[str, Any]], metric: str, facts: dict[str, Any]) -> str:
    """The generator that a metric puts last."""
    values = {name: row[metric]["value"] for name, row in rows.items()}
    return (max if facts["better"] == "lower" else min)(values, key=lambda name: values[name])


def test_each_generator_is_ranked_as_what_it_is(stackgan: Callable[..., Any], made: Path) -> None:
    rows: dict[str, dict[str, Any]] = {}
    for name, pictures in generators(made).items():
        save(made, name, pictures)
        measure = ("evaluate", "--data", "boxes", "--model", name, "--device", "cpu", *options_of(EXTRACTOR))
        done = stackgan(*measure, "--json")
        assert done.code == 0, done.err
        found = {row["pictures"]: row["metrics"] for row in done.json["rows"]}
        rows[name] = found["Stage-I"]
    ceiling, floor = found["real test pictures"], found["real training pictures"]["frechet-distance"]["value"]
    sins = {
        "novelty": "copies",
        "r-precision": "deaf",
        "diversity": "rigid",
        "frechet-distance": "blurred",
        "kernel-distance": "blurred",
    }
    assert {metric: worst(rows, metric, done.json["metrics"][metric]) for metric in sins} == sins
    # Far behind the others, whom that number finds nothing against.
    faithful, copies, deaf, rigid, blurred = rows.values()
    low, high = faithful["r-precision"]["interval"]
    assert low < ceiling["r-precision"]["value"] < high
    assert deaf["r-precision"]["interval"][1] < 0.06
    assert copies["novelty"]["value"] < 0.1
    assert copies["novelty"]["parts"]["close"]["value"] > 0.95
    assert min(row["novelty"]["value"] for row in (faithful, deaf, rigid, blurred)) > 0.8
    assert rigid["diversity"]["value"] == pytest.approx(0.0, abs=1e-6)
    assert deaf["diversity"]["value"] > 0.7
    assert 0.05 < faithful["diversity"]["value"] < 0.5
    assert max(row["frechet-distance"]["value"] for row in (faithful, copies, deaf, rigid)) < floor
    assert blurred["frechet-distance"]["value"] > 2 * floor


def test_the_same_command_writes_the_same_bytes(model: Path, home: Path) -> None:
    small = {"width": 8, "channels": 4, "input_side": 32, "epochs": 1, "count": 40}
    measure = ("evaluate", "--data", "birds", "--num-images", "20", "--device", "cpu", *options_of(small))
    written = []
    for hashes in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hashes, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "stackgan_cli", *measure]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        (results,) = (model / "evaluation").rglob("results.json")
        written.append(results.read_bytes())
        # Nothing that was fitted or looked at is left for the second time.
        for folder in (model / "evaluation", home / "data/birds/extractors", home / "data/birds/evaluation"):
            shutil.rmtree(folder)
    assert written[0] == written[1]
    assert len(written[0]) > 2000
