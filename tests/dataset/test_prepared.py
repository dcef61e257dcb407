"""Prepared data read back: files that are missing, damaged, of another form, or written by an earlier version."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import save_file

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.dataset.prepared import CaptionedSplit, PreparedData
from stackgan_cli.errors import DataError
from stackgan_cli.pictures.decoding import encode_picture

BEFORE = Path(__file__).parent.parent / "made_before" / "home" / "data" / "birds"


@pytest.fixture
def folder(made_once: Path, tmp_path: Path) -> Path:
    """A copy of prepared data."""
    return shutil.copytree(made_once / "data" / "birds", tmp_path / "birds")


def rows(path: Path) -> pa.Table:
    with pa.OSFile(str(path)) as source:
        return pa.ipc.open_stream(source).read_all()


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    table = change(rows(path))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def with_values(table: pa.Table, name: str, values: list[Any], kind: pa.DataType | None = None) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, name, pa.array(values, kind or table.schema.field(place).type))


def test_the_files_are_those_that_the_manifest_lists(folder: Path) -> None:
    manifest = json.loads((folder / "data.json").read_text())
    for split in ("train", "test"):
        assert manifest["files"][split] == sorted(path.name for path in (folder / split).iterdir())
        assert sum(len(rows(folder / split / name)) for name in manifest["files"][split]) == manifest["counts"][split]
    shutil.copy(folder / "train" / "data-00000.arrow", folder / "train" / "data-00009.arrow")
    assert len(PreparedData(folder).train) == manifest["counts"]["train"]


def test_data_of_an_earlier_version_is_all_that_lies_there(tmp_path: Path) -> None:
    data = PreparedData(BEFORE)
    assert data.manifest.files is None
    assert (len(data.train), len(data.test)) == (19, 1)
    shutil.copytree(BEFORE, tmp_path / "birds")
    for split in ("train", "test"):
        for name in ("state.json", "dataset_info.json"):
            (tmp_path / "birds" / split / name).unlink()
    assert PreparedData(tmp_path / "birds").train.names == data.train.names
    (tmp_path / "birds" / "train" / "data-00000.arrow").unlink()
    with pytest.raises(DataError, match="holds 0 pictures in place of 19"):
        PreparedData(tmp_path / "birds").refuse_damage()


def test_nothing_is_opened_before_it_is_asked_for(folder: Path) -> None:
    shutil.rmtree(folder / "train")
    data = PreparedData(folder)
    assert len(data.test) == data.manifest.counts.test
    with pytest.raises(DataError, match=r"train/data-00000\.arrow is missing"):
        len(data.train)


def test_reading_takes_neither_datasets_nor_pandas() -> None:
    program = f"""
import sys
from pathlib import Path
from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.dataset.prepared import CaptionedSplit, PreparedData
data = PreparedData(Path({str(BEFORE)!r}))
assert data.train.caption_counts.tolist() == [10] * 19
assert data.train.captions[3] and data.train.pictures([0, 18], 64).shape == (2, 3, 64, 64)
print(*{{"datasets", "pandas"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_others_read_the_files_too(folder: Path, tmp_path: Path) -> None:
    import datasets

    data = PreparedData(folder)
    files = [str(folder / "train" / name) for name in data.manifest.files.train]  # type: ignore[union-attr]
    for streaming in (False, True):
        there = datasets.load_dataset(
            "arrow", data_files=files, split="train", streaming=streaming, cache_dir=str(tmp_path / "cache")
        )
        assert [row["name"] for row in there] == data.train.names
        assert [row["captions"] for row in there] == list(data.train.captions)


DAMAGES: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "no captions": (lambda table: table.drop_columns(["captions"]), "has no column 'captions'"),
    "no pictures": (lambda table: table.drop_columns(["picture_64"]), "has no column 'picture_64'"),
    "a column twice": (
        lambda table: table.append_column("name", table.column("name")),
        "has no column 'name'",
    ),
    "numbers for pictures": (
        lambda table: with_values(table, "picture_16", list(range(len(table))), pa.int64()),
        "has int64 in column 'picture_16', not binary",
    ),
    "one caption without a list": (
        lambda table: with_values(table, "captions", table.column("name").to_pylist(), pa.string()),
        "has string in column 'captions'",
    ),
    "a missing class": (
        lambda table: with_values(table, "class", [None, *table.column("class").to_pylist()[1:]]),
        "lacks values in column 'class'",
    ),
    "a missing row": (lambda table: table.slice(1), r"holds \d+ pictures in place of"),
    "no rows": (lambda table: table.slice(0, 0), "holds 0 pictures in place of"),
    "a picture without captions": (
        lambda table: with_values(table, "captions", [["a bird"], [], *table.column("captions").to_pylist()[2:]]),
        "Picture 1 of .*train has no caption",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_other_columns_and_rows_than_there_should_be_are_refused(folder: Path, damage: str) -> None:
    change, message = DAMAGES[damage]
    rewrite(folder / "train" / "data-00000.arrow", change)
    with pytest.raises(DataError, match=message) as refused:
        PreparedData(folder).refuse_damage()
    assert refused.value.hint == f"stackgan prepare --data {folder} --force"


@pytest.mark.parametrize("number", [-1, 2, 10**9])
def test_a_class_without_a_name_is_refused(folder: Path, number: int) -> None:
    manifest = json.loads((folder / "data.json").read_text())
    (folder / "data.json").write_text(json.dumps(manifest | {"classes": ["finch", "wren"]}))
    for split in ("train", "test"):
        path = folder / split / "data-00000.arrow"
        rewrite(path, lambda table: with_values(table, "class", [1] * len(table)))
    PreparedData(folder).refuse_damage()
    rewrite(path, lambda table: with_values(table, "class", [*[1] * (len(table) - 1), number]))
    with pytest.raises(DataError, match=r"Picture \d+ of .*test is of a class that the data has no name for"):
        PreparedData(folder).refuse_damage()


@pytest.mark.parametrize("content", [b"", b"no Arrow", b"\xff\xff\xff\xff\0\0\0\0", b"ARROW1\0\0" + bytes(200)])
def test_what_is_no_arrow_is_refused(folder: Path, content: bytes) -> None:
    (folder / "test" / "data-00000.arrow").write_bytes(content)
    with pytest.raises(DataError, match=r"test/data-00000\.arrow is missing or cut short"):
        PreparedData(folder).refuse_damage()


@pytest.mark.parametrize("place", [0, 5])
@pytest.mark.parametrize("size", [0, 7, 1 << 20])
def test_a_raw_picture_of_another_size_is_refused(folder: Path, place: int, size: int) -> None:
    def change(table: pa.Table) -> pa.Table:
        pictures = table.column("picture_16").to_pylist()
        return with_values(table, "picture_16", [*pictures[:place], bytes(size), *pictures[place + 1 :]])

    rewrite(folder / "train" / "data-00000.arrow", change)
    data = PreparedData(folder)
    assert data.train.pictures([5], 64).shape == (1, 3, 64, 64)
    with pytest.raises(
        DataError, match=f"Picture {place} of .*train at 19 x 19 pixels is damaged: it has {size} bytes"
    ):
        data.train.store(16).hold()


@pytest.mark.parametrize(
    ("stored", "reason"),
    [(b"", "damaged"), (b"no picture", "damaged"), (encode_picture(np.zeros((20, 19, 3), np.uint8)), "19 x 20 pixels")],
)
def test_an_encoded_picture_that_is_none_or_of_another_size_is_refused(
    folder: Path, stored: bytes, reason: str
) -> None:
    manifest = json.loads((folder / "data.json").read_text())
    manifest["pictures"]["16"] = "jpeg"
    (folder / "data.json").write_text(json.dumps(manifest))
    rewrite(
        folder / "train" / "data-00000.arrow",
        lambda table: with_values(table, "picture_16", [stored] * len(table)),
    )
    with pytest.raises(DataError, match=reason):
        PreparedData(folder).train.store(16)


def test_damage_is_told_before_training_begins(
    folder: Path, home: Path, train_tiny: Callable[..., Any], tmp_path: Path
) -> None:
    path = home / "data" / "birds" / "train" / "data-00000.arrow"
    rewrite(path, lambda table: with_values(table, "picture_16", [b"short"] * len(table)))
    done = train_tiny(1, "--steps", 2)
    assert done.code == 3, done.err
    assert done.says("Picture 0 of", "5 bytes", "--force")
    assert not (home / "models").exists()


def test_an_encoder_of_another_width_than_its_features_is_told_before_training_begins(
    home: Path, train_tiny: Callable[..., Any]
) -> None:
    config = home / "data" / "birds" / "text" / "hashed-words" / "config.json"
    entry = json.loads(config.read_text())
    config.write_text(json.dumps(entry | {"options": entry["options"] | {"width": 64}}))
    done = train_tiny(1, "--steps", 2)
    assert done.code == 3, done.err
    assert done.says("holds features of width 512", "gives 64", "stackgan prepare --data birds --force")
    assert not (home / "models").exists()


def test_attributes_that_are_no_json_are_refused(folder: Path) -> None:
    rewrite(folder / "test" / "data-00000.arrow", lambda table: with_values(table, "attributes", ["{"] * len(table)))
    with pytest.raises(DataError, match="attributes"):
        _ = PreparedData(folder).test.attributes


def test_what_is_known_of_some_pictures_alone_is_no_attribute_of_the_data(folder: Path) -> None:
    before = PreparedData(folder).test.attributes
    assert before is not None
    more = [json.dumps({**known, "mood": "calm"} if at == 0 else known) for at, known in enumerate(before)]
    rewrite(folder / "test" / "data-00000.arrow", lambda table: with_values(table, "attributes", more))
    assert PreparedData(folder).test.attributes == before


def test_attributes_and_what_captions_state_of_them_are_whole(folder: Path) -> None:
    path = folder / "test" / "data-00000.arrow"
    rewrite(path, lambda table: with_values(table, "attributes", ['{"colour": "red"}'] * len(table)))
    with pytest.raises(DataError, match=r"attributes in .*test cannot be read: .* is missing"):
        _ = PreparedData(folder).test.attributes
    rewrite(path, lambda table: with_values(table, "stated", [[["head"]]] * len(table)))
    with pytest.raises(DataError, match=r"Picture 0 of .*test states attributes for another number of captions"):
        _ = PreparedData(folder).test.stated


DAMAGING = """
import random, sys
from pathlib import Path
from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.dataset.prepared import CaptionedSplit, PreparedData
from stackgan_cli.errors import DataError
path = Path(sys.argv[1]) / "test" / "data-00000.arrow"
whole, chance, read = path.read_bytes(), random.Random(0), 0
for _ in range(400):
    data = bytearray(whole)
    for _ in range(chance.randint(1, 3)):
        # Most of what stands behind are pixels.
        at = chance.randrange(3000) // 4 * 4
        data[at : at + 4] = chance.choice((b"\\xff\\xff\\xff\\x7f", b"\\xff" * 4, b"\\0" * 4, chance.randbytes(4)))
    path.unlink()
    path.write_bytes(data[: chance.choice((len(data), len(data), chance.randrange(len(data))))])
    try:
        split = PreparedData(Path(sys.argv[1])).test
        for values in (split.names, list(split.captions), split.attributes, split.stated, list(split.digests())):
            assert len(values) == len(split)
        split.pictures(range(len(split)), 16)
        read += 1
    except DataError as error:
        assert str(path.parent) in error.message and error.hint
print(read)
"""


def test_random_damage_ends_in_rows_or_in_one_error_and_never_in_a_crash(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", DAMAGING, folder], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 0 < int(done.stdout) < 400


def test_features_of_other_captions_are_refused(folder: Path) -> None:
    data = PreparedData(folder)
    features = data.encoder_folder(None)
    count = int(data.train.caption_counts.sum())
    assert len(data.train.features(features).counts) == len(data.train)
    for tensors in ({"sentence": torch.zeros(count - 1, 4)}, {"words": torch.zeros(count, 3, 4)}):
        (features / "train.safetensors").unlink()
        save_file(tensors, features / "train.safetensors")
        with pytest.raises(DataError, match="does not hold the features"):
            data.train.features(features)


def test_captions_that_no_picture_has_are_read_by_the_encoder_of_the_data(folder: Path) -> None:
    data = PreparedData(folder)
    split = CaptionedSplit(data.train, data.encoder_folder(None))
    here, elsewhere = split.text([0, 1], [0, 1]).sentence, split.encode(["a red bird", split.captions[1][1]]).sentence
    assert torch.allclose(elsewhere[1], here[1], atol=1e-6)
    assert not torch.allclose(elsewhere[0], here[0])


def test_more_captions_than_are_encoded_at_once_keep_their_order_and_all_their_words(folder: Path) -> None:
    class Spells:
        """A word for each letter."""

        def encode(self, captions: list[str]) -> TextFeatures:
            longest = max(map(len, captions))
            letters = torch.tensor([[ord(letter) for letter in caption.ljust(longest)] for caption in captions])
            return TextFeatures(letters[:, :1].float(), letters[..., None].float(), letters == ord(" "))

    data = PreparedData(folder)
    split = CaptionedSplit(data.train, data.encoder_folder(None))
    split.__dict__["_encoder"] = Spells()
    captions = [*["ab"] * 600, "cdefg"]
    found = split.encode(captions)
    assert found.words is not None
    assert found.padding is not None
    assert found.sentence[:, 0].tolist() == [ord(caption[0]) for caption in captions]
    assert found.words.shape == (601, 5, 1)
    assert (~found.padding).sum(1).tolist() == [len(caption) for caption in captions]
