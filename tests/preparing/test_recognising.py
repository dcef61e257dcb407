"""Every layout that people have, told apart from every other by looking."""

from __future__ import annotations

import io
import json
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image

from stackgan_cli.components.registry import Kind, clear_cache, find
from stackgan_cli.errors import DataError
from stackgan_cli.preparing.recognising import reader_of_address, recognise

BIRD, OTHER = "001.Black_footed_Albatross/one_1", "002.Laysan_Albatross/two_2"


def jpeg(colour: int = 90) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (colour, 80, 30)).save(buffer, "JPEG")
    return buffer.getvalue()


def put(path: Path, content: bytes | str | object = b"") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content, encoding="utf-8")
    else:
        path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, 2))


def cub(root: Path) -> None:
    home = root / "CUB_200_2011"
    put(home / "images.txt", f"1 {BIRD}.jpg\n2 {OTHER}.jpg\n")
    put(home / "bounding_boxes.txt", "1 1.0 1.0 20.0 20.0\n2 1.0 1.0 20.0 20.0\n")
    for key in (BIRD, OTHER):
        put(home / "images" / f"{key}.jpg", jpeg())
        put(root / "text_c10" / f"{key}.txt", "a bird\nanother caption\n")
    put(root / "train" / "filenames.pickle", [OTHER])
    put(root / "test" / "filenames.pickle", [BIRD])


def flowers(root: Path) -> None:
    for index in (1, 2):
        put(root / "jpg" / f"image_{index:05d}.jpg", jpeg())
        put(root / "text_c10" / f"class_{index + 19:05d}" / f"image_{index:05d}.txt", "a flower\n")


def coco(root: Path) -> None:
    name = "COCO_train2014_000000000009.jpg"
    put(root / "train2014" / name, jpeg())
    listed = {"images": [{"id": 9, "file_name": name}], "annotations": [{"image_id": 9, "id": 1, "caption": "a meal"}]}
    put(root / "annotations" / "captions_train2014.json", json.dumps(listed))


def metadata(root: Path) -> None:
    for split, key in (("train", "COCO_train2014_000000000009"), ("test", "COCO_val2014_000000000042")):
        put(root / split / "filenames.pickle", [key])
        put(root / split / "char-CNN-RNN-embeddings.pickle", [np.zeros((5, 8), np.float32)])
        put(root / "images" / f"{key}.jpg", jpeg())
        put(root / "text" / f"{key}.txt", "a meal\n" * 5)


def pairs(root: Path) -> None:
    for index in range(3):
        put(root / f"{index}.jpg", jpeg())
        put(root / f"{index}.txt", "a thing\n")


def listed(root: Path) -> None:
    put(root / "one.jpg", jpeg())
    put(root / "metadata.jsonl", json.dumps({"file_name": "one.jpg", "text": "a thing"}) + "\n")


def class_folders(root: Path) -> None:
    for name in ("red fox", "grey_wolf"):
        for index in range(2):
            put(root / name / f"{index}.jpg", jpeg())


def other_endings(root: Path) -> None:
    for index, ending in enumerate(("caption", "cap", "caption.txt")):
        put(root / f"{index}.jpg", jpeg())
        put(root / f"{index}.{ending}", "a thing\n")


def full_names(root: Path) -> None:
    for index in range(3):
        put(root / f"{index}.jpg", jpeg())
        put(root / f"{index}.jpg.txt", "a thing\n")


def side_by_side(root: Path) -> None:
    for index in range(3):
        put(root / "images" / f"{index}.jpg", jpeg())
        put(root / "captions" / f"{index}.txt", "a thing\n")


def prefixes(root: Path) -> None:
    for index in range(3):
        put(root / f"img{index}.jpg", jpeg())
        put(root / f"caption{index}.txt", "a thing\n")


def table_of_captions(root: Path) -> None:
    for index in range(3):
        put(root / "Images" / f"{index}.jpg", jpeg())
    put(root / "captions.txt", "image,caption\n" + "".join(f"{index}.jpg,a thing\n" for index in range(3)))


def flickr8k(root: Path) -> None:
    for index in range(3):
        put(root / "Flicker8k_Dataset" / f"{index}.jpg", jpeg())
    put(root / "Flickr8k.token.txt", "".join(f"{index}.jpg#{each}\ta thing .\n" for index in range(3) for each in "01"))


def flickr30k(root: Path) -> None:
    for index in range(3):
        put(root / "flickr30k_images" / f"{index}.jpg", jpeg())
    rows = (f"{index}.jpg| {each}| a thing .\n" for index in range(3) for each in "01")
    put(root / "results.csv", "image_name| comment_number| comment\n" + "".join(rows))


def json_of_records(root: Path) -> None:
    for index in range(3):
        put(root / f"{index}.jpg", jpeg())
    put(root / "captions.json", json.dumps([{"image": f"{index}.jpg", "caption": "a thing"} for index in range(3)]))


def json_of_names(root: Path) -> None:
    for index in range(3):
        put(root / "images" / f"{index}.jpg", jpeg())
    put(root / "captions.json", json.dumps({f"{index}.jpg": ["a thing", "a thing"] for index in range(3)}))


def kohya(root: Path) -> None:
    for index in range(3):
        put(root / "img" / f"{index}.jpg", jpeg())
    put(root / "meta.json", json.dumps({f"img/{index}": {"caption": "a thing", "tags": "x"} for index in range(3)}))


def coco_of_ones_own(root: Path) -> None:
    put(root / "images" / "9.jpg", jpeg())
    listed = {"images": [{"id": 9, "file_name": "9.jpg"}], "annotations": [{"image_id": 9, "caption": "a meal"}]}
    put(root / "captions.json", json.dumps(listed))


def one_class(root: Path) -> None:
    for index in range(3):
        put(root / "red fox" / f"{index}.jpg", jpeg())


def flat(root: Path) -> None:
    for index in range(3):
        put(root / f"{index}.jpg", jpeg())


def shards(root: Path) -> None:
    root.mkdir(exist_ok=True)
    with tarfile.open(root / "train-000.tar", "w") as archive:
        for index in range(2):
            for suffix, data in (("jpg", jpeg()), ("txt", b"a thing\n")):
                member = tarfile.TarInfo(f"{index:04d}.{suffix}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))


def table() -> datasets.Dataset:
    rows = {"image": [{"bytes": jpeg(), "path": None}] * 2, "caption": ["one", "two"]}
    return datasets.Dataset.from_dict(
        rows, features=datasets.Features({"image": datasets.Image(), "caption": datasets.Value("string")})
    )


def saved(root: Path) -> None:
    table().save_to_disk(str(root))


def parquet(root: Path) -> None:
    root.mkdir(exist_ok=True)
    table().to_parquet(str(root / "train-00000-of-00001.parquet"))


LAYOUTS = {
    "cub": [cub],
    "flowers": [flowers],
    "coco": [coco, coco_of_ones_own],
    "stackgan-metadata": [metadata],
    "folder": [
        *(pairs, other_endings, full_names, side_by_side, prefixes),
        *(listed, table_of_captions, flickr8k, flickr30k, json_of_records, json_of_names, kohya),
        *(class_folders, one_class, flat),
    ],
    "webdataset": [shards],
    "hub": [saved, parquet],
}
ALL = [(name, make) for name, makes in LAYOUTS.items() for make in makes]


@pytest.mark.parametrize(("name", "make"), ALL, ids=[make.__name__ for _, make in ALL])
def test_a_layout_is_recognised_by_its_reader_alone_and_prepared(
    stackgan: Callable[..., Any], tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    source = tmp_path / "source"
    make(source)
    told: list[str] = []
    template = "a photo of a {class}" if make in (class_folders, one_class, flat) else None
    component, why = recognise(source, told.append, {"caption_template": template} if template else {})
    assert component.name == name
    assert why
    assert not told
    more = ("--caption-template", template) if template else ()
    done = stackgan(
        "prepare",
        "--data",
        "mine",
        "--source",
        source,
        "--resolution",
        16,
        "--encoder",
        "hashed-words",
        "--json",
        *more,
    )
    assert done.code == 0, done.err
    assert done.says(f"Reading with {name}")
    assert sum(done.json["counts"].values()) >= 1


def test_two_that_fit_are_named_and_one_is_asked_for(stackgan: Callable[..., Any], tmp_path: Path) -> None:
    cub(tmp_path / "birds")
    for split in ("train", "test"):
        put(tmp_path / "birds" / split / "char-CNN-RNN-embeddings.pickle", [np.zeros((2, 8), np.float32)])
    with pytest.raises(DataError, match=r"More than one reader fits .*cub \(.*stackgan-metadata \("):
        recognise(tmp_path / "birds", print)
    common = ("--data", "mine", "--source", tmp_path / "birds", "--resolution", 16)
    asked = stackgan("prepare", *common)
    assert asked.code == 3
    assert asked.says("--reader cub or --reader stackgan-metadata")
    assert stackgan("prepare", *common, "--reader", "cub", "--encoder", "hashed-words").code == 0


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """``install(package, code)``: a package of one module with a dataset reader ``Reader`` called ``odd``."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(site)

    def write(package: str, code: str) -> None:
        put(site / f"{package}.py", code)
        information = site / f"{package}-1.5.dist-info"
        put(information / "METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.5\n")
        put(information / "entry_points.txt", f"[stackgan.dataset_readers]\nodd = {package}:Reader\n")
        clear_cache()

    return write


ODD = """
from pathlib import Path
from stackgan_cli.components.protocols import Example
class Reader:
    scheme = "odd"
    crop, recipe = "squash", None
    def __init__(self, *, dataset=None):
        self.dataset = dataset
    def recognises(self, source):
        print("somebody else's words")
        return "odd.txt" if (source / "odd.txt").is_file() else None
    def examples(self, source):
        for number in range(12):
            yield Example(str(number), Path(__file__).with_name("0.jpg"), (f"{self.dataset} {number}",))
"""


def test_readers_of_other_packages_are_asked_where_no_built_in_one_fits(
    stackgan: Callable[..., Any], tmp_path: Path, install: Callable[[str, str], None]
) -> None:
    install("odd_reader", ODD)
    install("rude_reader", "raise SystemExit(3)")
    install("hasty_reader", ODD.replace("print(", "raise ValueError("))
    pairs(tmp_path / "pairs")
    pairs(tmp_path / "site")
    told: list[str] = []
    assert recognise(tmp_path / "pairs", told.append)[0].name == "folder"
    assert not told
    put(tmp_path / "odd" / "odd.txt")
    common = ("--resolution", 16, "--encoder", "hashed-words")
    done = stackgan("prepare", "--data", "mine", "--source", tmp_path / "odd", *common, "--json")
    assert done.code == 0, done.err
    assert done.says("'odd' of odd-reader 1.5 was asked: it fits (", "'odd' of rude-reader 1.5 was asked: it failed (")
    assert (done.json["crop"], done.json["recipe"]) == ("squash", "modern")
    put(tmp_path / "nothing" / "here")
    with pytest.raises(DataError) as caught:
        recognise(tmp_path / "nothing", told.append)
    assert "'odd' of hasty-reader 1.5 failed: ValueError: somebody else's words." in caught.value.message
    assert "'odd' of rude-reader 1.5 cannot be imported: SystemExit: 3." in caught.value.message
    assert "odd-reader" not in caught.value.message
    # Other packages may be installed beside those of this test.
    assert sum("1.5 was asked" in each for each in told) == 3
    addressed = stackgan("prepare", "--data", "other", "--source", "odd:owner/name", *common)
    assert addressed.code == 0, addressed.err
    assert addressed.says("begins with odd:")


def test_a_known_name_gives_way_to_what_the_source_is(stackgan: Callable[..., Any], tmp_path: Path) -> None:
    pairs(tmp_path / "source")
    common = ("--source", tmp_path / "source", "--resolution", 16, "--encoder", "hashed-words")
    done = stackgan("prepare", "--data", "cub", *common)
    assert done.code == 0, done.err
    assert done.says("Reading with folder")
    refused = stackgan("prepare", "--data", "other", *common, "--reader", "cub")
    assert refused.code == 3
    assert refused.says("images.txt")


def test_a_link_that_leads_in_a_circle_is_one_message(stackgan: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    done = stackgan("prepare", "--data", "mine", "--source", tmp_path / "circle")
    assert done.code == 2
    assert done.err.count("Error:") == 1
    assert done.says("its links lead in a circle")


def test_a_source_that_is_no_place_on_this_disk_is_one_message(
    stackgan: Callable[..., Any], tmp_path: Path, empty_home: Path
) -> None:
    far = stackgan("prepare", "--data", "mine", "--source", "https://example.org/birds.zip")
    assert far.code == 2
    assert far.says("not an address such as https://example.org/birds.zip", "hf:OWNER/NAME")
    pairs(tmp_path)
    odd = tmp_path / os.fsdecode(b"gr\xfcn")
    odd.mkdir()
    for arguments in (("--source", odd, "--data", "mine"), ("--source", tmp_path, "--data", odd / "inside")):
        done = stackgan("prepare", *arguments)
        assert done.code == 2
        assert done.says("is not UTF-8")
        assert done.err.count("Error:") == 1


def test_the_reader_of_addresses_may_be_named_beside_one() -> None:
    component, why, rest = reader_of_address("hf:owner/name", "hub", print) or (None, "", "")
    assert component == find(Kind.DATASET_READER, "hub")
    assert (why, rest) == ("the source begins with hf:", "owner/name")
    assert reader_of_address("hf:owner/name", "folder", print) is None


def test_a_slip_in_the_encoders_options_is_told_before_pictures_are_read(
    stackgan: Callable[..., Any], tmp_path: Path, empty_home: Path
) -> None:
    pairs(tmp_path)
    for encoder in ((), ("--encoder", "char-cnn-rnn")):
        done = stackgan("prepare", "--data", "mine", "--source", tmp_path, *encoder, "--encoder-option", "wdith=8")
        assert done.code == 4
        assert done.says("wdith")
        assert not (empty_home / "data").exists()


def test_torch7_files_name_the_package_that_reads_them(
    stackgan: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever works on that package has it installed.
    monkeypatch.setenv("STACKGAN_PLUGINS", "")
    put(tmp_path / "birds" / "cub_icml" / f"{BIRD}.t7")
    for source in (tmp_path / "birds", tmp_path / "birds" / "cub_icml", tmp_path / "birds" / "cub_icml" / f"{BIRD}.t7"):
        refused = stackgan("prepare", "--data", "mine", "--source", source)
        assert refused.code == 3
        assert refused.says("Torch-7 files are read by the package stackgan-torch7")
        asked = stackgan("prepare", "--data", "mine", "--source", source, "--reader", "torch7")
        assert asked.code == 4
        assert asked.says("comes from", "stackgan-torch7")


def test_known_data_without_a_source_offers_both_ways(stackgan: Callable[..., Any]) -> None:
    done = stackgan("prepare", "--data", "flowers")
    assert done.code == 3
    assert done.says("--source FOLDER", "--download")
