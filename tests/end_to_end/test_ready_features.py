"""Text features that a source holds ready: prepared, trained on, evaluated, and honest about new sentences."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from stackgan_cli.dataset.prepared import PreparedData

WIDTH, CAPTIONS = 12, 3


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Forty birds with published embeddings; the first number of a row says which picture, the second which caption."""
    root = tmp_path / "birds"
    random = np.random.default_rng(0)
    for split, first, count in (("train", 0, 30), ("test", 30, 10)):
        keys = [f"{index % 5 + 1:03d}.Bird/bird_{index:04d}" for index in range(first, first + count)]
        rows = random.normal(size=(count, CAPTIONS, WIDTH)).astype(np.float32)
        rows[..., 0] = np.arange(first, first + count)[:, None]
        rows[..., 1] = np.arange(CAPTIONS)
        (root / split).mkdir(parents=True)
        contents = {"filenames": keys, "char-CNN-RNN-embeddings": list(rows), "skip-thought-embeddings": rows[:, 0]}
        contents["class_info"] = [int(key[:3]) for key in keys]
        for name, content in contents.items():
            (root / split / f"{name}.pickle").write_bytes(pickle.dumps(content, 2))
        for key in keys:
            picture, text = root / "images" / f"{key}.jpg", root / "text" / f"{key}.txt"
            for path in (picture, text):
                path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 256, (30, 40, 3), np.uint8)).save(picture)
            text.write_text("".join(f"{key} {caption}\n" for caption in "abc"))
    return root


def test_the_whole_way(
    stackgan: Callable[..., Any], source: Path, empty_home: Path, tiny_options: Callable[[int], list[str]]
) -> None:
    done = stackgan("prepare", "--data", "mine", "--source", source, "--resolution", 16)
    assert done.code == 0, done.err
    assert done.says("Reading with stackgan-metadata", "no sentence can be drawn", "--encoder char-cnn-rnn")
    data = PreparedData(empty_home / "data" / "mine")
    assert data.encoders == ["precomputed-char-cnn-rnn"]
    for split in (data.train, data.test):
        table = split.features(data.encoder_folder(None))
        assert table.width == WIDTH
        for caption in range(CAPTIONS):
            found = table.at(torch.arange(len(split)), torch.full((len(split),), caption)).sentence
            assert found[:, 0].tolist() == [int(name[-4:]) for name in split.names]
            assert set(found[:, 1].tolist()) == {caption}
    trained = stackgan("train-stage1", "--data", "mine", "--recipe", "quick", *tiny_options(1), "--steps", 2)
    assert trained.code == 0, trained.err
    measured = stackgan("evaluate", "--model", "mine", "--data", "mine", "--num-images", 10, "--json")
    assert measured.code == 0, measured.err
    refused = stackgan("generate", "a small red bird", "--model", "mine")
    assert refused.code == 3
    assert refused.says("Nothing here can read", "char-cnn-rnn")
    added = stackgan("prepare", "--data", "mine", "--encoder", "hashed-words")
    assert added.code == 0, added.err
    assert PreparedData(empty_home / "data" / "mine").encoders == ["precomputed-char-cnn-rnn", "hashed-words"]


def test_where_nothing_can_measure_the_pictures_that_is_said_once_and_training_goes_on(
    stackgan: Callable[..., Any], source: Path, empty_home: Path, tiny_options: Callable[[int], list[str]]
) -> None:
    shutil.rmtree(source / "text")
    for split in ("train", "test"):
        (source / split / "class_info.pickle").unlink()
    assert stackgan("prepare", "--data", "mine", "--source", source, "--resolution", 16).code == 0
    evaluated = ("--set", "eval_every=1", "--set", "checkpoint_every=1", "--steps", 3)
    done = stackgan("train-stage1", "--data", "mine", "--recipe", "quick", *tiny_options(1), *evaluated)
    assert done.code == 0, done.err
    assert done.err.count("Nothing is measured while this trains:") == 1
    assert done.says("learns attributes, classes or captions, and this data has none of them")
    # The best one is told by what can be had.
    best = json.loads((empty_home / "models/mine/training/stage1/best/checkpoint.json").read_text())
    assert best["distance"] > 0
    assert best["evaluation"] is None


def test_what_is_said_to_do_next_can_be_done_with_them(
    stackgan: Callable[..., Any], source: Path, tiny_options: Callable[[int], list[str]]
) -> None:
    sizes = ("--resolution", 16, "--resolution", 64)
    prepared = stackgan("prepare", "--data", "mine", "--source", source, *sizes)
    assert prepared.says("Next: stackgan train-stage1 --data mine")
    for stage in (1, 2):
        done = stackgan(
            f"train-stage{stage}", "--data", "mine", "--recipe", "quick", *tiny_options(stage), "--steps", 1
        )
        assert done.code == 0, done.err
    assert done.says("Next: stackgan evaluate --data mine --model mine")


def test_several_sets_of_features_lie_side_by_side(
    stackgan: Callable[..., Any], source: Path, empty_home: Path, tiny_options: Callable[[int], list[str]]
) -> None:
    common = ("prepare", "--data", "mine")
    assert stackgan(*common, "--source", source, "--resolution", 16).code == 0
    chosen = ("--encoder", "precomputed", "--encoder-option", "features=skip-thought")
    assert stackgan(*common, *chosen).code == 0
    again = stackgan(*common, *chosen)
    assert again.says("is there already")
    data = PreparedData(empty_home / "data" / "mine")
    assert data.encoders == ["precomputed-char-cnn-rnn", "precomputed-skip-thought"]
    for number, name in enumerate(data.encoders, start=1):
        encoder = ("--encoder", name, "--name", name)
        trained = stackgan(
            "train-stage1", "--data", "mine", "--recipe", "quick", *encoder, *tiny_options(1), "--steps", number
        )
        assert trained.code == 0, trained.err
        taken = json.loads((empty_home / "models" / name / "stackgan.json").read_text())["text_encoder"]
        assert data.encoder_folder(taken["name"], taken["options"]).name == name
        measured = stackgan("evaluate", "--model", name, "--data", "mine", "--num-images", 10, "--json")
        assert measured.code == 0, measured.err


def test_another_set_of_features_is_taken_later_from_the_source_alone(
    stackgan: Callable[..., Any], source: Path, empty_home: Path
) -> None:
    common = ("prepare", "--data", "mine")
    assert stackgan(*common, "--source", source, "--resolution", 16, "--encoder", "hashed-words").code == 0
    for name in ("skip-thought", "char-cnn-rnn"):
        done = stackgan(*common, "--encoder", "precomputed", "--encoder-option", f"features={name}")
        assert done.code == 0, done.err
        entries = json.loads((empty_home / "data" / "mine" / "data.json").read_text())["encoders"]
        entry = entries[f"precomputed-{name}"]
        assert entry["options"] == {"features": name, "width": WIDTH}
    missing = stackgan(*common, "--encoder", "precomputed", "--encoder-option", "features=bert")
    assert missing.code == 3
    assert missing.says("'bert'", "char-cnn-rnn, skip-thought")
    source.rename(source.with_name("gone"))
    gone = stackgan(*common, "--encoder", "precomputed", "--encoder-option", "features=skip-thought")
    assert gone.code == 3
    assert gone.err.count("Error:") == 1


@pytest.fixture
def textless(source: Path) -> Path:
    """The same birds without a word: embeddings and pictures alone."""
    shutil.rmtree(source / "text")
    return source


def test_features_without_captions_train_and_it_is_said_that_no_sentence_can_be_drawn(
    stackgan: Callable[..., Any], textless: Path, empty_home: Path, tiny_options: Callable[[int], list[str]]
) -> None:
    prepared = stackgan("prepare", "--data", "mine", "--source", textless, "--resolution", 16)
    assert prepared.code == 0, prepared.err
    assert prepared.says("no sentence can be drawn", "put captions into the source")
    about = stackgan("info", empty_home / "data" / "mine", "--json").json["data"]
    assert about["captioned"] is False
    assert about["captions"] == 40 * CAPTIONS
    assert about["summary"]["caption_words"] == []
    objective = 'objectives=[{name = "matching", options = {fit_steps = 2, fit_batch = 4, width = 8}}]'
    options = (*tiny_options(1), "--steps", 1, "--set", objective)
    trained = stackgan("train-stage1", "--data", "mine", "--recipe", "quick", *options)
    assert trained.code == 0, trained.err
    assert trained.says("no sentence can be drawn")
    measured = stackgan("evaluate", "--model", "mine", "--data", "mine", "--num-images", 10, "--json")
    assert measured.code == 0, measured.err
    assert "r-precision" in measured.json["left_out"]
    assert "caption_to_picture" not in measured.json["extractor"]


@pytest.mark.parametrize("encoder", ["words", "hashed-words", "char-cnn-rnn"])
def test_nothing_reads_captions_that_do_not_exist(
    stackgan: Callable[..., Any], textless: Path, home: Path, model: Path, encoder: str
) -> None:
    common = ("prepare", "--data", "mine")
    fresh = stackgan(*common, "--source", textless, "--resolution", 16, "--encoder", encoder)
    assert fresh.code == 3
    assert fresh.says(
        f"the text encoder {encoder} has nothing to read", "--encoder precomputed", "put captions into the source"
    )
    taken = stackgan(*common, "--source", textless, "--resolution", 16, "--encoder-from", model)
    assert taken.code == 3
    assert taken.says("has nothing to read")
    assert not (home / "data" / "mine").exists()
    assert stackgan(*common, "--source", textless, "--resolution", 16).code == 0
    for asked in (("--encoder", encoder), ("--encoder-from", model)):
        later = stackgan(*common, *asked)
        assert later.code == 3
        assert later.says("has nothing to read")
    assert PreparedData(home / "data" / "mine").encoders == ["precomputed-char-cnn-rnn"]
    drawn = stackgan("evaluate", "--model", model, "--data", "mine", "--num-images", 10)
    assert drawn.code == 3
    assert drawn.says("reads captions", "features of its captions alone")
