"""Tables of pictures and captions, on disk and from the Hub: what is read, chosen, left out, and said without a network."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pyarrow
import pytest
from PIL import Image
from pyarrow import ipc, parquet

from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.data.pictures import load_picture
from stackgan_cli.data.readers.hub import HubReader
from stackgan_cli.errors import DataError

TEXT = datasets.Value("string")


def picture(shade: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), (shade, 10, 20)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def made(shades: list[int], **columns: list[Any]) -> datasets.Dataset:
    """A set as Hugging Face's users make it: an image column, a caption, and whatever is given."""
    features = datasets.Features({"image": datasets.Image(), "text": TEXT})
    rows: dict[str, list[Any]] = {"image": [{"bytes": picture(shade), "path": f"{shade}.png"} for shade in shades]}
    rows["text"] = [f"shade {shade}" for shade in shades]
    whole = datasets.Dataset.from_dict(rows, features=features)
    for name, values in columns.items():
        whole = whole.add_column(name, values)
    return whole


def read(source: Path | None, **options: Any) -> tuple[dict[str, Example], dict[str, str]]:
    reader = HubReader(**options)
    found = list(reader.examples(source))
    assert found == list(reader.examples(source))
    examples = [item for item in found if isinstance(item, Example)]
    named = {item.name: item for item in examples}
    assert len(named) == len(examples)
    return named, {item.name: item.reason for item in found if isinstance(item, Skipped)}


def shade_of(example: Example) -> int:
    assert not isinstance(example.image, Image.Image)
    value = load_picture(example.image).getpixel((0, 0))
    assert isinstance(value, tuple)
    return int(value[0])


def shown(examples: dict[str, Example]) -> dict[str, tuple[int, tuple[str, ...], str | None]]:
    return {name: (shade_of(item), item.captions, item.split) for name, item in examples.items()}


def table(path: Path, schema: pyarrow.Schema | None = None, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.table(columns, schema=schema), path)
    return path


def test_what_save_to_disk_wrote(tmp_path: Path) -> None:
    datasets.DatasetDict({"train": made([1, 2, 3]), "validation": made([4]), "extra": made([5])}).save_to_disk(
        tmp_path / "dict", num_shards={"train": 2, "validation": 1, "extra": 1}
    )
    made([6]).save_to_disk(tmp_path / "one")
    # What map() leaves there.
    (tmp_path / "dict" / "train" / "cache-0123.arrow").write_bytes(
        (tmp_path / "dict" / "validation" / "data-00000-of-00001.arrow").read_bytes()
    )
    examples, skipped = read(tmp_path / "dict")
    assert shown(examples) == {
        "extra/data-00000-of-00001/00000000": (5, ("shade 5",), None),
        "train/data-00000-of-00002/00000000": (1, ("shade 1",), "train"),
        "train/data-00000-of-00002/00000001": (2, ("shade 2",), "train"),
        "train/data-00001-of-00002/00000000": (3, ("shade 3",), "train"),
        "validation/data-00000-of-00001/00000000": (4, ("shade 4",), "test"),
    }
    assert list(examples) == sorted(examples)
    assert "intermediate" in skipped["train/cache-0123.arrow"]
    assert "neither train nor test" in skipped["extra/data-00000-of-00001.arrow"]
    examples, skipped = read(tmp_path / "one")
    assert shown(examples) == {"data-00000-of-00001/00000000": (6, ("shade 6",), None)}
    assert not skipped


def test_folders_of_parquet_and_arrow_files(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    made([1, 2]).to_parquet(tmp_path / "data" / "train-00000-of-00001.parquet")
    made([3]).to_parquet(tmp_path / "data" / "test-00000-of-00001.parquet")
    with ipc.new_stream(tmp_path / "val.arrow", made([4]).data.schema) as stream:
        stream.write_table(made([4]).data.table)
    with ipc.new_file(tmp_path / "other.arrow", made([5]).data.schema) as file:
        file.write_table(made([5]).data.table)
    examples, skipped = read(tmp_path)
    assert shown(examples) == {
        "data/test-00000-of-00001/00000000": (3, ("shade 3",), "test"),
        "data/train-00000-of-00001/00000000": (1, ("shade 1",), "train"),
        "data/train-00000-of-00001/00000001": (2, ("shade 2",), "train"),
        "other/00000000": (5, ("shade 5",), None),
        "val/00000000": (4, ("shade 4",), "test"),
    }
    assert skipped.keys() == {"other.arrow"}
    (name,) = read(tmp_path / "data" / "test-00000-of-00001.parquet")[0]
    assert name == "test-00000-of-00001/00000000"


def test_tables_that_know_nothing_of_hugging_face(tmp_path: Path) -> None:
    file = table(
        tmp_path / "birds.parquet",
        thumbnail_hash=[b"\0\1\2", b"\3\4\5"],
        photo_bytes=[picture(1), picture(2)],
        caption=[["one", " ", "two\nlines"], None],
        species=["finch", ""],
    )
    examples, skipped = read(file)
    assert shown(examples) == {"birds/00000000": (1, ("one", "two lines"), None)}
    assert examples["birds/00000000"].class_name == "finch"
    assert "no caption" in skipped["birds/00000001"]


def test_captions_in_records_and_in_numbered_columns(tmp_path: Path) -> None:
    pictures = [picture(1)]
    raw = [[{"raw": "one", "sentid": 1}, {"raw": "two", "sentid": 2}]]
    one = table(tmp_path / "1.parquet", image=pictures, sentences=raw)
    two = table(tmp_path / "2.parquet", image=pictures, caption_0=["x"], caption_1=["y"], caption_2=[None])
    three = table(tmp_path / "3.parquet", image=pictures, en_caption=["z"], title=["t"], url=["u"])
    assert [item.captions for file in (one, two, three) for item in read(file)[0].values()] == [
        ("one", "two"),
        ("x", "y"),
        ("z",),
    ]


def test_classes_by_their_names(tmp_path: Path) -> None:
    labelled = made([1, 2, 3], label=[0, 1, -1]).cast_column("label", datasets.ClassLabel(names=["finch", "jay"]))
    labelled.to_parquet(tmp_path / "a.parquet")
    examples, _ = read(tmp_path / "a.parquet")
    assert [item.class_name for item in examples.values()] == ["finch", "jay", None]
    made([1], label=[7]).to_parquet(tmp_path / "b.parquet")
    assert [item.class_name for item in read(tmp_path / "b.parquet")[0].values()] == ["7"]


def test_a_column_of_splits_decides(tmp_path: Path) -> None:
    made([1, 2, 3, 4], split=["train", "val", "restval", None]).to_parquet(tmp_path / "test.parquet")
    examples, skipped = read(tmp_path / "test.parquet")
    assert [item.split for item in examples.values()] == ["train", "test", None, "test"]
    assert "neither train nor test" in skipped["test/00000002"]


def test_choosing_among_columns(tmp_path: Path) -> None:
    pictures = [picture(1)]
    more = [picture(2)]
    two_texts = table(tmp_path / "a.parquet", image=pictures, mask=more, caption=["x"], text=["y"])
    with pytest.raises(DataError, match="captions: caption, text") as caught:
        read(two_texts)
    assert "--caption-column" in (caught.value.hint or "")
    for choice, expected in (("text", ("y",)), ("caption,text", ("x", "y")), ("text, caption", ("y", "x"))):
        examples, _ = read(two_texts, caption_column=choice)
        assert [(shade_of(item), item.captions) for item in examples.values()] == [(1, expected)]
    examples, _ = read(two_texts, caption_column="text", image_column="mask")
    assert [shade_of(item) for item in examples.values()] == [2]
    two_pictures = table(tmp_path / "b.parquet", left=pictures, right=more, text=["x"])
    with pytest.raises(DataError, match="pictures: left, right") as caught:
        read(two_pictures)
    assert "--image-column" in (caught.value.hint or "")
    nothing = table(tmp_path / "c.parquet", number=[1], address=["https://example.org/a.png"])
    for options, words in (
        ({}, "no column that is known to hold pictures; its columns are number, address"),
        ({"image_column": "img"}, "no column img; its columns are number, address"),
        ({"image_column": "address"}, "address of .* holds no pictures"),
    ):
        with pytest.raises(DataError, match=words):
            read(nothing, **options)
    for options, words in (
        ({"caption_column": "words"}, "no column words"),
        ({"caption_column": "image"}, "image of .* holds no text"),
    ):
        with pytest.raises(DataError, match=words):
            read(two_texts, **options)
    with pytest.raises(DataError, match="no column that is known to hold captions"):
        read(table(tmp_path / "d.parquet", image=pictures, number=[1]))


def test_rows_that_only_name_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(picture(9))
    root = tmp_path / "data"
    (root / "pictures").mkdir(parents=True)
    (root / "pictures" / "a.png").write_bytes(picture(1))
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    paths = [
        "pictures/a.png",
        str(root / "pictures" / "a.png"),
        "../secret.png",
        str(tmp_path / "secret.png"),
        "link.png",
        "pictures/missing.png",
        "https://example.org/a.png",
        "a\0b.png",
        "pictures",
        None,
    ]
    table(root / "t.parquet", image=[{"bytes": None, "path": path} for path in paths], text=["x"] * len(paths))
    examples, skipped = read(root)
    assert [shade_of(item) for item in examples.values()] == [1, 1]
    for row in (2, 3, 4):
        assert "outside of the source" in skipped[f"t/{row:08d}"]
    assert skipped.keys() == {f"t/{row:08d}" for row in range(2, 10)}


def test_damaged_text_is_mended(tmp_path: Path) -> None:
    lengths = pyarrow.array([0, 9], pyarrow.int32()).buffers()[1]
    text = pyarrow.Array.from_buffers(pyarrow.string(), 1, [None, lengths, pyarrow.py_buffer(b"a \xff\xfebird!")])
    columns = pyarrow.table({"image": [picture(1)], "text": text})
    parquet.write_table(columns, tmp_path / "p.parquet")
    with ipc.new_stream(tmp_path / "a.arrow", columns.schema) as stream:
        stream.write_table(columns)
    examples, skipped = read(tmp_path)
    assert [item.captions for item in examples.values()] == [("a bird!",), ("a bird!",)]
    assert "damaged characters" in skipped["2 rows"]


def test_unusual_types_of_text(tmp_path: Path) -> None:
    columns = {"image": pyarrow.array([picture(1)], pyarrow.large_binary())}
    kinds = (pyarrow.large_string(), pyarrow.string_view(), pyarrow.dictionary(pyarrow.int8(), pyarrow.string()))
    for index, kind in enumerate(kinds):
        written = pyarrow.table(columns | {"text": pyarrow.array(["x"], kind)})
        with ipc.new_file(tmp_path / f"{index}.arrow", written.schema) as file:
            file.write_table(written)
    examples, skipped = read(tmp_path)
    assert [item.captions for item in examples.values()] == [("x",)] * 3
    assert not skipped


def test_damaged_files_leave_the_others_alone(tmp_path: Path) -> None:
    made([1, 2]).to_parquet(tmp_path / "good.parquet")
    whole = (tmp_path / "good.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:-20])
    (tmp_path / "a-empty.parquet").write_bytes(b"")
    (tmp_path / "text.arrow").write_bytes(b"no table at all" * 50)
    table(tmp_path / "other.parquet", number=[1, 2])
    made([]).to_parquet(tmp_path / "b-none.parquet")
    examples, skipped = read(tmp_path)
    assert list(examples) == ["good/00000000", "good/00000001"]
    assert skipped.keys() == {"cut.parquet", "a-empty.parquet", "text.arrow", "other.parquet"}
    assert all("not read after 0 rows" in reason for reason in skipped.values())
    assert "no column image" in skipped["other.parquet"]
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "cut.arrow").write_bytes(whole[:50])
    with pytest.raises(DataError, match=r"no captioned picture.*cut\.arrow"):
        read(tmp_path / "alone")


def test_random_damage_never_escapes(tmp_path: Path) -> None:
    """In a process of its own, because damage that pyarrow believes would end it."""
    script = tmp_path / "fuzz.py"
    script.write_text(
        f"""
import random, sys
from pathlib import Path
from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.data.readers.hub import HubReader
from stackgan_cli.errors import DataError
for name in ("t.parquet", "s.arrow", "f.arrow"):
    whole = (Path({str(tmp_path)!r}) / name).read_bytes()
    chance = random.Random(3)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        file = Path({str(tmp_path)!r}) / ("damaged-" + name)
        file.write_bytes(data[: chance.choice((len(data), chance.randrange(len(data))))])
        try:
            for item in HubReader().examples(file):
                assert isinstance(item, Example | Skipped)
        except DataError:
            pass
print("survived")
"""
    )
    columns = made([1, 2, 3], label=["a", "b", "c"]).data.table
    parquet.write_table(columns, tmp_path / "t.parquet")
    with ipc.new_stream(tmp_path / "s.arrow", columns.schema) as stream:
        stream.write_table(columns)
    with ipc.new_file(tmp_path / "f.arrow", columns.schema) as file:
        file.write_table(columns)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.strip() == "survived", done.stderr[-2000:]
