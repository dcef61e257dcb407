from __future__ import annotations

import itertools
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pytest
import torch
from fsspec.registry import _registry
from safetensors.torch import load_file, save_file

from stackgan_cli.components.entries import ComponentEntry
from stackgan_cli.dataset.batches import Batch
from stackgan_cli.dataset.prepared import PreparedData
from stackgan_cli.dataset.shards import ShardFeature, ShardsIndex, read_shards_index, shard_columns
from stackgan_cli.dataset.streaming import StreamedBatches
from stackgan_cli.errors import DataError, SettingsError, StackganError
from stackgan_cli.manifests import write_json
from stackgan_cli.pictures.decoding import encode_picture
from stackgan_cli.preparing.shard_writing import write_shard_files, write_shards
from stackgan_cli.ranks import Ranks

COUNT, SIDE, RESOLUTION, CAPTIONS = 60, 19, 16, 5
ENCODER = ComponentEntry(name="stackgan-cli:one-hot", version="1", options={"width": 300}, shapes={})


def picture(index: int) -> np.ndarray:
    """Red says which, green which row and blue which column."""
    rows, columns = np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")
    return np.stack([np.full_like(rows, index * 4), rows * 10, columns * 10], axis=-1).astype(np.uint8)


def captions(index: int, words: bool, count: int) -> dict[str, bytes]:
    """Sentence vectors that say which picture's which caption they are, and words that repeat it."""
    sentence = np.zeros((count, COUNT * CAPTIONS), np.float32)
    sentence[np.arange(count), index * CAPTIONS + np.arange(count)] = 1
    if not words:
        return {"sentence": sentence.tobytes()}
    number = (index * CAPTIONS + np.arange(count, dtype=np.float32))[:, None, None]
    padding = np.tile(np.arange(3) > 1, (count, 1))
    return {
        "sentence": sentence.tobytes(),
        "words": np.broadcast_to(number, (count, 3, 2)).tobytes(),
        "padding": padding.tobytes(),
    }


def made(folder: Path, *, count: int = COUNT, form: str = "raw", words: bool = False, classes: int = 6) -> Path:
    folder.mkdir(exist_ok=True)
    features = {"sentence": ShardFeature(dtype="float32", shape=(COUNT * CAPTIONS,))}
    if words:
        features["words"] = ShardFeature(dtype="float32", shape=(3, 2))
        features["padding"] = ShardFeature(dtype="bool", shape=(3,))

    def rows() -> Iterator[dict[str, int | bytes]]:
        for index in range(count):
            pixels = picture(index)
            stored = pixels.tobytes() if form == "raw" else encode_picture(pixels)
            held = CAPTIONS - index % 2
            about = {"row": index, "class": index % classes if classes else -1, "captions": held}
            yield about | {f"picture_{RESOLUTION}": stored} | captions(index, words, held)

    index = ShardsIndex(
        schema=1,
        fingerprint="birds",
        encoder=ENCODER,
        rows=count,
        captions=CAPTIONS,
        classes=classes,
        pictures={str(RESOLUTION): form},
        features=features,
        files=write_shard_files(folder, rows(), shard_columns([RESOLUTION], features), 10),
    )
    write_json(folder / "shards.json", index.as_json())
    return folder


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("shards [1-2] *"))


def stream(location: Path | str, **changes: Any) -> StreamedBatches:
    options = {"resolution": RESOLUTION, "batch_size": 6, "captions_averaged": 3, "flip": True, "seed": 3, "buffer": 20}
    about = {"location": str(location), "data_fingerprint": "birds", "encoder_entry": ENCODER}
    return StreamedBatches(device=torch.device("cpu"), **{**about, **options, **changes})


def which(batch: Batch) -> list[int]:
    return ((batch.images[:, 0, 0, 0] + 1) * 127.5 / 4).round().int().tolist()


def owners(sentence: torch.Tensor) -> list[set[int]]:
    """The pictures whose captions a sentence vector is made of."""
    return [set((row.nonzero()[:, 0] // CAPTIONS).tolist()) for row in sentence]


def same(one: Batch, other: Batch) -> bool:
    pairs = [(one.images, other.images)]
    for mine, its in ((one.text, other.text), (one.wrong_text, other.wrong_text)):
        pairs += [(mine.sentence, its.sentence)]
        if mine.words is not None:
            assert its.words is not None
            pairs += [(mine.words, its.words)]
    return all(torch.equal(*pair) for pair in pairs)


def test_an_epoch_shows_every_picture_once_and_the_next_in_another_order(shards: Path) -> None:
    made = stream(shards)
    assert (made.steps_per_epoch, made.pictures, made.resident) == (10, COUNT, False)
    assert made.feature_width == COUNT * CAPTIONS
    epochs = [[index for step in range(10) for index in which(made.at(10 * epoch + step))] for epoch in range(3)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(COUNT))
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert [index for step in range(10) for index in which(stream(shards, seed=4).at(step))] != epochs[0]


def test_the_remainder_of_an_epoch_is_dropped_and_a_small_set_is_repeated(shards: Path) -> None:
    made = stream(shards, batch_size=7)
    assert made.steps_per_epoch == 8
    shown = [index for step in range(8) for index in which(made.at(step))]
    assert len(shown) == len(set(shown)) == 56
    few = stream(shards, batch_size=64)
    assert few.steps_per_epoch == 1
    for step in range(3):
        assert set(which(few.at(step))) == set(range(COUNT))


def test_every_picture_comes_with_its_own_captions_and_wrong_ones_are_of_another_class(shards: Path) -> None:
    made, met = stream(shards), set()
    for step in range(40):
        batch = made.at(step)
        for index, own, other in zip(
            which(batch), owners(batch.text.sentence), owners(batch.wrong_text.sentence), strict=True
        ):
            assert own == {index}
            assert len(other) == 1
            assert min(other) % 6 != index % 6
            met.add((index % 6, min(other) % 6))
        # Three captions of those that a picture has, each once.
        assert all(sorted(row[row > 0].tolist()) == pytest.approx([1 / 3] * 3) for row in batch.text.sentence)
    assert len(met) == 30


@pytest.mark.parametrize("classes", [0, 1])
def test_without_classes_the_wrong_caption_is_of_another_picture(tmp_path: Path, classes: int) -> None:
    made_of_one = stream(made(tmp_path / "shards", classes=classes))
    for step in range(20):
        batch = made_of_one.at(step)
        for index, other in zip(which(batch), owners(batch.wrong_text.sentence), strict=True):
            assert index not in other


@pytest.mark.parametrize("ranks", [Ranks(), Ranks(1, 2), Ranks(2, 4)])
def test_a_resumed_stream_gives_what_the_uninterrupted_one_would_have(shards: Path, ranks: Ranks) -> None:
    whole = stream(shards, batch_size=8, ranks=ranks)
    expected = [whole.at(step) for step in range(23)]
    for start in (0, 1, 6, 7, 13, 20):
        resumed = stream(shards, batch_size=8, ranks=ranks)
        assert all(same(resumed.at(step), expected[step]) for step in range(start, min(start + 9, 23)))
    # Any step may follow any other.
    assert all(same(whole.at(step), expected[step]) for step in (11, 3, 3, 22, 4, 5))


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_see_disjoint_pictures_and_together_all_of_them(shards: Path, ranks: int) -> None:
    """Six files go to two ranks as whole files, and to four row by row."""
    parts = [stream(shards, batch_size=12, ranks=Ranks(rank, ranks)) for rank in range(ranks)]
    for epoch in range(2):
        seen = [[index for step in range(5) for index in which(part.at(5 * epoch + step))] for part in parts]
        assert sorted(itertools.chain(*seen)) == list(range(COUNT))


def test_a_rank_with_fewer_rows_than_others_does_not_run_dry(tmp_path: Path) -> None:
    # Ten rows in one file and two in the other.
    folder = made(tmp_path / "shards", count=12)
    parts = [stream(folder, batch_size=4, ranks=Ranks(rank, 2)) for rank in range(2)]
    for part in parts:
        shown = [which(part.at(step)) for step in range(6)]
        assert all(len(each) == 2 for each in shown)


def test_words_come_along_and_are_not_averaged(tmp_path: Path) -> None:
    folder = made(tmp_path / "shards", words=True)
    batch = stream(folder, captions_averaged=1).at(4)
    assert batch.text.words is not None
    assert batch.text.padding is not None
    assert batch.text.words[:, 0, 0].tolist() == batch.text.sentence.argmax(1).tolist()
    assert batch.text.padding.tolist() == [[False, False, True]] * 6
    with pytest.raises(SettingsError, match="words"):
        stream(folder)


def test_jpeg_pictures_are_decoded_to_nearly_the_raw_ones(tmp_path: Path, shards: Path) -> None:
    encoded, raw = stream(made(tmp_path / "shards", form="jpeg")), stream(shards)
    for step in range(3):
        one, other = encoded.at(step), raw.at(step)
        assert (one.images - other.images).abs().max() < 0.1
        assert torch.equal(one.text.sentence, other.text.sentence)


def test_crops_are_whole_and_channels_last_between_minus_one_and_one(shards: Path) -> None:
    images = stream(shards).at(0).images
    assert images.shape == (6, 3, RESOLUTION, RESOLUTION)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert -1 <= images.min() < images.max() <= 1


def test_settings_that_no_stream_can_have_are_refused(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="at least two pictures for each process") as refused:
        stream(shards, batch_size=4, ranks=Ranks(0, 4))
    assert refused.value.hint == "--batch-size 8"
    with pytest.raises(SettingsError, match="divided evenly"):
        stream(shards, batch_size=9, ranks=Ranks(0, 2))
    with pytest.raises(DataError, match="two pictures"):
        stream(made(tmp_path / "shards", count=3), batch_size=4, ranks=Ranks(0, 2))
    with pytest.raises(DataError, match="hold pictures for 16 pixels, not for 64"):
        stream(shards, resolution=64)


def test_shards_of_other_data_or_another_encoder_are_refused(shards: Path) -> None:
    with pytest.raises(DataError, match=r"other data: .* 'birds', and the data's with 'flowers'"):
        stream(shards, data_fingerprint="flowers")
    with pytest.raises(DataError, match=r"another text encoder: .*'stackgan-cli:one-hot'.*:other'.*differ in name"):
        stream(shards, encoder_entry=ENCODER.model_copy(update={"name": "stackgan-cli:other"}))
    with pytest.raises(DataError, match="differ in options"):
        stream(shards, encoder_entry=ENCODER.model_copy(update={"options": {"width": 7}}))


DAMAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "no list": lambda index: index.update(files=None),
    "elsewhere": lambda index: index["files"][0].update(name="../train-00000.arrow"),
    "an address": lambda index: index["files"][0].update(name="http://example.org/a.arrow"),
    "twice": lambda index: index["files"][1].update(name=index["files"][0]["name"]),
    "sum": lambda index: index.update(rows=61),
    "no pictures": lambda index: index.update(pictures={"16": "pickle"}),
    "element type": lambda index: index["features"]["sentence"].update(dtype="object"),
    "shape": lambda index: index["features"]["sentence"].update(shape=[0]),
    "words alone": lambda index: index["features"].update(words={"dtype": "float32", "shape": [3, 2]}),
    "schema": lambda index: index.update(schema=2),
    "encoder": lambda index: index.update(encoder="one-hot"),
    "a component that names code": lambda index: index["encoder"].update(name="os.system"),
    "a huge number": lambda index: index["files"][0].update(rows=10**400),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_index_is_refused(shards: Path, tmp_path: Path, damage: str) -> None:
    index = json.loads((shards / "shards.json").read_text())
    DAMAGES[damage](index)
    (tmp_path / "shards.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match=r"is malformed|a number in it is too large"):
        read_shards_index(str(tmp_path))


def test_an_index_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"shards\.json cannot be read"):
        stream(tmp_path)
    for text in ("[" * 100_000, "{", "\udcff"):
        (tmp_path / "shards.json").write_text(text, errors="surrogateescape")
        with pytest.raises(DataError, match=r"shards\.json cannot be read"):
            stream(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        read_shards_index("nowhere://birds")


@pytest.fixture
def elsewhere(shards: Path) -> Iterator[tuple[str, Any]]:
    """A copy of the shards at an address that is no folder, and what opens files there."""
    system = fsspec.filesystem("memory")
    for file in shards.iterdir():
        system.pipe_file(f"/streamed/{file.name}", file.read_bytes())
    yield "memory://streamed", system
    system.rm("/streamed", recursive=True)


def test_shards_at_an_address_give_what_they_give_in_a_folder(shards: Path, elsewhere: tuple[str, Any]) -> None:
    there, here = stream(elsewhere[0]), stream(shards)
    assert all(same(there.at(step), here.at(step)) for step in range(12))


@pytest.mark.parametrize("kept", [0, 3, 100, 5000, -200])
def test_a_truncated_file_is_told_from_a_whole_one(shards: Path, tmp_path: Path, kept: int) -> None:
    folder = shutil.copytree(shards, tmp_path / "shards")
    file = folder / "train-00002.arrow"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"train-00002\.arrow has \d+ bytes in place of"):
        stream(folder)
    file.unlink()
    with pytest.raises(DataError, match=r"train-00002\.arrow cannot be read"):
        stream(folder)


@pytest.mark.parametrize("name", ["train-00000.arrow", "train-00003.arrow"])
@pytest.mark.parametrize("kept", [0, 3, 100, 5000, -200])
def test_a_file_that_ends_early_elsewhere_is_told_when_it_is_read(
    elsewhere: tuple[str, Any], name: str, kept: int
) -> None:
    location, system = elsewhere
    system.pipe_file(f"/streamed/{name}", system.cat_file(f"/streamed/{name}")[:kept])

    def epoch() -> None:
        made = stream(location)
        for step in range(made.steps_per_epoch):
            made.at(step)

    with pytest.raises(DataError, match=r"cannot be read|end after"):
        epoch()


def rewrite(folder: Path, number: int, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the rows of a file, and its length in the index."""
    path = folder / f"train-{number:05d}.arrow"
    table = change(pa.ipc.open_stream(path.read_bytes()).read_all())
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    index = json.loads((folder / "shards.json").read_text())
    index["files"][number]["bytes"] = path.stat().st_size
    (folder / "shards.json").write_text(json.dumps(index))


def test_a_file_without_its_last_rows_is_told_when_the_rows_run_out(tmp_path: Path) -> None:
    """What stops between two groups of rows is a whole file to Arrow."""
    folder = made(tmp_path / "shards")
    rewrite(folder, 1, lambda table: table.slice(0, 4))
    short = stream(folder)
    with pytest.raises(DataError, match="end after 54 of 60 pictures"):
        list(map(short.at, range(10)))


@pytest.mark.parametrize(
    ("column", "value"),
    [("captions", -1), ("captions", 1 << 40), ("captions", None), ("picture_16", b"123"), ("sentence", b"")],
)
def test_a_row_that_is_not_what_the_index_says_is_refused(tmp_path: Path, column: str, value: object) -> None:
    def changed(table: pa.Table) -> pa.Table:
        field = table.schema.field(column)
        values = pa.array([value, *table.column(column).to_pylist()[1:]], field.type)
        return table.set_column(table.schema.get_field_index(column), field, values)

    folder = made(tmp_path / "shards", count=10)
    rewrite(folder, 0, changed)
    strange = stream(folder, batch_size=10)
    for _ in range(2):
        with pytest.raises(DataError, match="cannot be read"):
            strange.at(0)


def test_the_package_that_an_address_needs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    monkeypatch.delitem(sys.modules, "fsspec.implementations.http", raising=False)
    monkeypatch.delitem(_registry, "http", raising=False)
    with pytest.raises(DataError, match="aiohttp") as refused:
        stream("http://example.org/birds")
    assert refused.value.hint == 'pip install "fsspec[http]"'


def test_prepared_data_written_as_shards_holds_all_training_pictures(made_once: Path, tmp_path: Path) -> None:
    data = PreparedData(made_once / "data" / "birds")
    folder, target = data.encoder_folder(None), tmp_path / "shards"
    told: list[tuple[int, int]] = []
    target.mkdir()
    count = write_shards(data, folder, target, rows_per_shard=10, report=lambda *done: told.append(done))
    assert count == len(data.train)
    assert told[-1] == (count, count)
    index = read_shards_index(str(target))
    assert index.pictures == data.manifest.pictures
    names = [file.name for file in index.files]
    assert {path.name for path in target.iterdir()} == {"shards.json", *names}
    assert {file.rows for file in index.files[:-1]} == {10}
    rows = _rows(target, names)
    assert sorted(row["row"] for row in rows) == list(range(count))
    assert [row["row"] for row in rows] != list(range(count))
    sentences = load_file(folder / "train.safetensors")["sentence"]
    first = list(itertools.accumulate(map(len, data.train.captions), initial=0))
    for row in rows:
        number = row["row"]
        for size in map(int, index.pictures):
            assert row[f"picture_{size}"] == data.train.store(size).take(torch.tensor([number])).numpy().tobytes()
        assert row["captions"] == len(data.train.captions[number])
        assert row["sentence"] == sentences[first[number] : first[number + 1]].numpy().tobytes()


def test_prepared_data_written_as_shards_can_be_trained_on(made_once: Path, tmp_path: Path) -> None:
    data = PreparedData(made_once / "data" / "birds")
    folder = data.encoder_folder(None)
    write_shards(data, folder, tmp_path / "shards")
    entry, fingerprint = data.manifest.encoders[folder.name], data.fingerprint
    made = stream(tmp_path / "shards", data_fingerprint=fingerprint, encoder_entry=entry, captions_averaged=1)
    sentences = load_file(folder / "train.safetensors")["sentence"]
    assert made.feature_width == sentences.shape[1]
    batch = made.at(0)
    for row in (*batch.text.sentence, *batch.wrong_text.sentence):
        assert (sentences == row).all(1).any()


def _rows(folder: Path, names: list[str]) -> list[dict[str, Any]]:
    return [row for name in names for row in pa.ipc.open_stream((folder / name).read_bytes()).read_all().to_pylist()]


def test_shards_are_written_the_same_again_and_never_over_something_else(made_once: Path, tmp_path: Path) -> None:
    data = PreparedData(made_once / "data" / "birds")
    folder = data.encoder_folder(None)
    for name in ("one", "other"):
        write_shards(data, folder, tmp_path / name)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes() for name in names)
    with pytest.raises(DataError, match="exists already"):
        write_shards(data, folder, tmp_path / "one")
    with pytest.raises(SettingsError, match="0 pictures"):
        write_shards(data, folder, tmp_path / "third", rows_per_shard=0)

    def raced(*_: object) -> None:
        (tmp_path / "third").mkdir(exist_ok=True)
        (tmp_path / "third" / "notes.txt").write_text("mine")

    with pytest.raises(StackganError, match="exists by now"):
        write_shards(data, folder, tmp_path / "third", report=raced)
    assert [path.name for path in (tmp_path / "third").iterdir()] == ["notes.txt"]


def test_features_that_do_not_belong_to_the_captions_are_not_written(made_once: Path, tmp_path: Path) -> None:
    data = PreparedData(made_once / "data" / "birds")
    broken = tmp_path / data.encoders[0]
    broken.mkdir()
    save_file({"sentence": torch.zeros(7, 4)}, broken / "train.safetensors")
    with pytest.raises(DataError, match="does not hold the features"):
        write_shards(data, broken, tmp_path / "shards")
    (broken / "train.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be read"):
        write_shards(data, broken, tmp_path / "shards")
    assert not (tmp_path / "shards").exists()
