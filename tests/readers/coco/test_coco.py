"""COCO captions: both years, every place for the pictures, extracts, partial copies, and broken or hostile files."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import ijson
import pytest
from sources import named, picture

from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.errors import DataError, SettingsError
from stackgan_cli.readers.coco.coco import CocoReader

SURFER = "COCO_train2014_000000057870.jpg"
TRAIN = f"train2014/{SURFER}"
VALID = "val2014/COCO_val2014_000000391895.jpg"


def content(names: dict[Any, Any], captions: list[tuple[Any, Any]]) -> dict[str, Any]:
    """A captions file with the members of the published ones."""
    return {
        "info": {"description": "COCO", "year": 2014},
        "images": [
            {"license": 5, "file_name": name, "height": 4, "width": 4, "id": number} for number, name in names.items()
        ],
        "licenses": [{"id": 1, "url": "http://creativecommons.org/licenses/by-nc-sa/2.0/"}],
        "annotations": [
            {"image_id": number, "id": key, "caption": caption} for key, (number, caption) in enumerate(captions)
        ],
    }


def write(path: Path, holding: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(holding))
    return path


def published(root: Path, train: str = "train2014", valid: str = "val2014", annotations: str = "annotations") -> None:
    """One picture for training and one for testing, where the arguments put them."""
    for folder, name in ((train, TRAIN), (valid, VALID)):
        part, _, file = name.partition("/")
        number = int(file[-16:-4])
        picture(root / folder / file)
        pairs = [(number, f"{part} one."), (number, "two")]
        write(root / annotations / f"captions_{part}.json", content({number: file}, pairs))


def year_2017(root: Path, pictures: bool = True) -> None:
    write(root / "annotations" / "captions_val2017.json", content({57870: "000000057870.jpg"}, [(57870, "anew")]))
    if pictures:
        picture(root / "val2017" / "000000057870.jpg")


def extract(root: Path, names: dict[Any, Any], captions: list[tuple[Any, Any]]) -> None:
    write(root / "captions.json", content(names, captions))


def read(root: Path, **options: Any) -> tuple[dict[str, Example], dict[str, str]]:
    examples, skipped = named(CocoReader(**options), root)
    assert list(examples) == sorted(examples)
    return examples, skipped


def told(root: Path) -> dict[str, list[str]]:
    """What was left out, by the reason."""
    names: dict[str, list[str]] = {}
    for item in CocoReader().examples(root):
        if isinstance(item, Skipped):
            names.setdefault(item.reason, []).append(item.name.removeprefix("captions.json "))
    return names


def refusal(root: Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        list(CocoReader(**options).examples(root))
    assert caught.value.hint
    return f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("places", "names"),
    [
        (("train2014", "val2014", "annotations"), [TRAIN, VALID]),
        (("images/train2014", "images/val2014", "annotations_trainval2014/annotations"), [TRAIN, VALID]),
        (("images", "images", "annotations"), [f"images/{SURFER}", f"images/{VALID.partition('/')[2]}"]),
        (("train2014", "val2014", "."), [TRAIN, VALID]),
    ],
)
def test_published_files_wherever_the_pictures_are(tmp_path: Path, places: tuple[str, ...], names: list[str]) -> None:
    published(tmp_path, *places)
    assert "captions_train2014.json" in (CocoReader().recognises(tmp_path) or "")
    examples, skipped = read(tmp_path)
    assert list(examples) == names
    train, test = examples.values()
    assert (train.split, train.captions, train.class_name) == ("train", ("train2014 one.", "two"), None)
    assert (test.split, test.captions) == ("test", ("val2014 one.", "two"))
    assert train.image == tmp_path / places[0] / SURFER
    assert not skipped


def test_of_two_years_one_is_read_and_the_other_told(tmp_path: Path) -> None:
    published(tmp_path)
    year_2017(tmp_path)
    examples, skipped = read(tmp_path)
    assert list(examples) == [TRAIN, VALID]
    assert "captions of 2014" in skipped["annotations/captions_val2017.json"]
    examples, skipped = read(tmp_path, year=2017)
    assert [(item.name, item.split) for item in examples.values()] == [("val2017/000000057870.jpg", "test")]
    assert "captions of 2017" in skipped["annotations/captions_train2014.json"]
    for path in (tmp_path / "annotations").glob("*2017.json"):
        path.unlink()
    assert "captions_train2017.json" in refusal(tmp_path, year=2017)
    with pytest.raises(SettingsError, match="2015"):
        CocoReader(year=2015)


def test_pictures_of_2017_alone_decide_the_year(tmp_path: Path) -> None:
    published(tmp_path, "elsewhere", "elsewhere")
    year_2017(tmp_path)
    assert list(read(tmp_path)[0]) == ["val2017/000000057870.jpg"]


def test_an_extract_beside_its_pictures(tmp_path: Path) -> None:
    for name in ("a.jpg", "images/b.png", "images/deep/c.jpg", "images/unlisted.png", "images/.hidden.png"):
        picture(tmp_path / name)
    names = {"x1": "a.jpg", 2: "b.png", 3: "images/deep/c.jpg"}
    extract(tmp_path, names, [(3, "three"), (2, "two"), ("x1", "one"), (2, "zwei")])
    assert "captions.json" in (CocoReader().recognises(tmp_path) or "")
    examples, skipped = read(tmp_path)
    assert {name: (item.captions, item.split) for name, item in examples.items()} == {
        "a.jpg": (("one",), None),
        "images/b.png": (("two", "zwei"), None),
        "images/deep/c.jpg": (("three",), None),
    }
    assert "not listed" in skipped.pop("images/unlisted.png")
    assert next(iter(skipped.values())).startswith("kept; it is not written as a whole number")


def test_extracts_for_training_and_testing_and_more_than_can_be_told_apart(tmp_path: Path) -> None:
    for part in ("train", "test"):
        picture(tmp_path / part / f"{part}.jpg")
        picture(tmp_path / "images" / "both.jpg")
        pairs = [(1, part), (2, f"both of {part}")]
        write(tmp_path / f"captions_{part}.json", content({1: f"{part}.jpg", 2: "both.jpg"}, pairs))
    examples, skipped = read(tmp_path)
    assert {name: item.split for name, item in examples.items()} == {
        "images/both.jpg": "test",
        "test/test.jpg": "test",
        "train/train.jpg": "train",
    }
    assert examples["images/both.jpg"].captions == ("both of test",)
    assert "captions_train.json too" in skipped["images/both.jpg"]
    write(tmp_path / "captions_new.json", content({1: "train.jpg"}, [(1, "x")]))
    assert "several captions files" in refusal(tmp_path)
    assert list(read(tmp_path, captions="captions_train.json")[0]) == ["images/both.jpg", "train/train.jpg"]


def test_one_of_several_is_named_so_that_it_is_found(tmp_path: Path) -> None:
    picture(tmp_path / "coco" / "images" / "a.jpg")
    for name in ("captions_mine.json", "captions_yours.json"):
        write(tmp_path / "coco" / "annotations" / name, content({1: "a.jpg"}, [(1, name)]))
        write(tmp_path / "elsewhere" / name, content({1: "a.jpg"}, [(1, name)]))
    for chosen in ({}, {"captions": str(tmp_path / "elsewhere")}):
        one = refusal(tmp_path / "coco", **chosen).rpartition("--captions ")[2]
        examples, _ = read(tmp_path / "coco", captions=one)
        assert examples["images/a.jpg"].captions == ("captions_mine.json",)


def test_captions_kept_elsewhere(tmp_path: Path) -> None:
    root = tmp_path / "coco"
    published(root, annotations="../words")
    (tmp_path / "words" / "captions_val2014.json").unlink()
    assert CocoReader().recognises(root) is None
    assert "captions_train2014.json" in refusal(root)
    assert list(read(root, captions="../words")[0]) == [TRAIN]
    assert list(read(root, captions=str(tmp_path / "words" / "captions_train2014.json"))[0]) == [TRAIN]
    assert "nowhere" in refusal(root, captions="nowhere")


def test_a_partial_copy_is_told_in_one_line(tmp_path: Path) -> None:
    names = {number: f"COCO_train2014_{number:012d}.jpg" for number in range(1000)}
    pairs = [(number, f"picture {number}") for number in names for _ in range(5)]
    write(tmp_path / "annotations" / "captions_train2014.json", content(names, pairs))
    assert "1,000 pictures" in refusal(tmp_path)
    picture(tmp_path / "train2014" / names[7])
    examples, skipped = read(tmp_path)
    assert [item.captions for item in examples.values()] == [("picture 7",) * 5]
    ((name, reason),) = skipped.items()
    assert name == "999 pictures"
    assert "not there" in reason


def test_odd_captions(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    picture(tmp_path / "mute.jpg")
    captions = [" A  dog.\n", "one\r\ntwo\nthree", "", " \n\t", None, 7, ["x"], "red\ufffd\ufffdbird", "\0cat"]
    pairs = [(1, caption) for caption in [*captions, "x" * 70_000]]
    extract(tmp_path, {1: "a.jpg", 2: "mute.jpg"}, [*pairs, (99, "lost"), (99, "lost")])
    examples, _ = read(tmp_path)
    assert {name: item.captions for name, item in examples.items()} == {
        "a.jpg": ("A  dog.", "one two three", "red bird", "cat")
    }
    assert told(tmp_path) == {
        "it is empty": ["annotations 3", "annotations 4"],
        "it is missing, or not text": ["annotations 5", "annotations 6", "annotations 7"],
        "kept; damaged characters were read as spaces": ["annotations 8", "annotations 9"],
        "kept; line ends inside were read as spaces": ["annotations 2"],
        "its picture would have more than 65,536 characters of captions": ["annotations 10"],
        "captions.json lists no image of this id": ["image_id 99", "image_id 99"],
        "it has no caption": ["mute.jpg"],
    }


def test_odd_images(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg"):
        picture(tmp_path / name)
    (tmp_path / "folder.jpg").mkdir()
    names = {1: "a.jpg", "2": "b.jpg", 3.0: "./c.jpg", 4: 5, 5: " ", 6: "e.jpg", 7: "n" * 5000, 8: "folder.jpg"}
    holding = content(names, [])
    again = ((1, "a.jpg"), (1, "d.jpg"), (9, "c.jpg"))
    holding["images"] += [{"id": number, "file_name": name} for number, name in again]
    holding["images"] += [{"file_name": "d.jpg"}, {"id": True, "file_name": "d.jpg"}, {"id": [1]}, 3, None]
    ids = (1, 2.0, "3", 4, 5, 6, 7, 8, 9, None, {})
    holding["annotations"] = [*({"image_id": number, "caption": f"of {number}"} for number in ids), "text"]
    write(tmp_path / "captions.json", holding)
    examples, _ = read(tmp_path)
    assert {name: item.captions for name, item in examples.items()} == {
        "a.jpg": ("of 1",),
        "b.jpg": ("of 2.0",),
        "c.jpg": ("of 3", "of 9"),
    }
    assert told(tmp_path) == {
        "it has no file_name": ["images 4", "images 5"],
        "listed in the captions file, but the picture is not there": ["e.jpg"],
        "its name has more than 1,024 characters": ["images 7"],
        "it is no file": ["folder.jpg"],
        "it repeats an earlier image": ["images 9"],
        "its id belongs to an earlier image": ["images 10"],
        "listed under more than one id, whose captions were joined": ["c.jpg"],
        "kept; it is not written as a whole number": ["images 2", "images 3", "annotations 2", "annotations 3"],
        "it has no id of a picture": ["images 12", "images 13", "images 14", "annotations 10", "annotations 11"],
        "it is no JSON object": ["images 15", "images 16", "annotations 12"],
        "not listed in the captions file": ["d.jpg"],
    }


def test_names_and_links_that_leave_the_folder(tmp_path: Path) -> None:
    outside = picture(tmp_path / "outside" / "secret.jpg")
    root = tmp_path / "coco"
    picture(root / "a.jpg")
    picture(root / "other" / "b.jpg")
    (root / "link.jpg").symlink_to(outside)
    (root / "inside.jpg").symlink_to(root / "other" / "b.jpg")
    (root / "linked").symlink_to(outside.parent)
    (root / "loop.jpg").symlink_to(root / "loop.jpg")
    names = ["../outside/secret.jpg", str(outside), "..\\outside\\secret.jpg", "C:\\secret.jpg", "nul\0.jpg", ".."]
    names += ["a/../../outside/secret.jpg", "link.jpg", "linked/secret.jpg", "loop.jpg"]
    numbered = dict(enumerate(["a.jpg", "inside.jpg", *names]))
    extract(root, numbered, [(number, "x") for number in numbered])
    assert list(read(root)[0]) == ["a.jpg", "inside.jpg"]
    assert told(root) == {
        "its name leads out of the folder": names[:7],
        "a link that leads out of the folder": names[7:],
    }


@pytest.mark.parametrize("linked", ["train2014", "images"])
def test_a_folder_of_pictures_may_be_a_link_which_names_may_not_leave(tmp_path: Path, linked: str) -> None:
    disk = tmp_path / "disk"
    picture(disk / "pictures" / "a.jpg")
    picture(disk / "b.jpg")
    picture(disk / "linked" / "c.jpg")
    (disk / "pictures" / "b.jpg").symlink_to(disk / "b.jpg")
    (disk / "pictures" / "sub").symlink_to(disk / "linked")
    root = tmp_path / "coco"
    names = {1: "a.jpg", 2: "b.jpg", 3: "sub/c.jpg"}
    write(root / "annotations" / "captions_train2014.json", content(names, [(1, "x"), (2, "y"), (3, "z")]))
    (root / linked).symlink_to(disk / "pictures")
    examples, skipped = read(root)
    assert list(examples) == [f"{linked}/a.jpg"]
    assert all("leads out" in skipped[name] for name in ("b.jpg", "sub/c.jpg"))


def test_a_captions_file_that_is_a_link_out_of_the_folder_is_not_opened(tmp_path: Path) -> None:
    root = tmp_path / "coco"
    published(root, annotations="../words")
    (root / "annotations").symlink_to(tmp_path / "words")
    assert "leads out" in refusal(root)
    assert list(read(root, captions="annotations")[0]) == [TRAIN, VALID]


@pytest.mark.parametrize(
    ("holding", "words"),
    [
        ({"images": [{"id": 1}], "annotations": [{"image_id": 1, "bbox": [0, 0, 1, 1]}] * 600}, "no caption"),
        ({"images": [{"id": 1}], "annotations": [{"image_id": 1, "segmentation": []}]}, "no caption"),
        ({"images": [{"id": 1}], "categories": []}, "lists no annotations"),
        ({"images": ["a.jpg"], "annotations": [{"image_id": 1, "caption": "x"}]}, "images have no id"),
        ({"images": [], "annotations": [{"image_id": 1, "caption": "x"}]}, "lists no images"),
        ({"images": [{"filename": "a.jpg", "sentences": []}] * 600, "dataset": "coco"}, "images have no id"),
        ({"images": {"1": "a.jpg"}, "annotations": []}, "else than a list"),
        ([{"image_id": 1, "caption": "x"}], "no JSON object"),
        ("text", "no JSON object"),
    ],
)
def test_other_files_say_what_they_lack_and_which_file_to_give(tmp_path: Path, holding: object, words: str) -> None:
    picture(tmp_path / "a.jpg")
    path = write(tmp_path / "captions.json", holding)
    message = refusal(tmp_path)
    assert words in message
    assert str(path) in message
    assert "captions_train2014.json" in message or "Get the file again" in message


def test_boxes_in_place_of_captions_are_told_without_reading_on(tmp_path: Path) -> None:
    rows = json.dumps({"image_id": 1, "bbox": [0, 0, 1, 1]})
    path = tmp_path / "instances_train2014.json"
    path.write_text(f'{{"images": [{{"id": 1}}], "annotations": [{",".join([rows] * 600)}, this is never reached')
    assert "no caption" in refusal(tmp_path, captions=path.name)


def test_a_damaged_file_is_an_error_and_not_a_smaller_data_set(tmp_path: Path) -> None:
    published(tmp_path)
    path = tmp_path / "annotations" / "captions_val2014.json"
    whole = path.read_bytes()
    for data, words in (
        *((whole[:cut], "ends too early") for cut in range(1, len(whole), 11)),
        (b"", "is empty"),
        (b"\x1f\x8b\x08\x00", "no JSON"),
        (b"<!DOCTYPE html>", "no JSON"),
        (whole + b"{}", "no JSON"),
        (whole.replace(b'"id": 1', b'"id" 1'), "entry 1 of 'licenses'"),
        (whole.replace(b'"id": 1', b'"id": 01'), "entry 1 of 'licenses'"),
        (whole.replace(b'"id": 1', b'"id": NaN'), "entry 1 of 'licenses'"),
        (whole.replace(b'"id": 1', b'"id": ' + b"9" * 5000), "entry 1 of 'licenses'"),
        (whole.replace(b'"two"', b'"two\n"'), "entry 2 of 'annotations'"),
        (b'{"annotations": ' + b"[" * 200_000, "too deeply"),
        (b'{"annotations": [' + b'{"a":[' * 100_000, "too deeply"),
        (b'{"info": "' + b"x" * (5 << 20), "more than 4 MiB"),
        (b'{"info": ' + b"1" * (5 << 20), "more than 4 MiB"),
    ):
        path.write_bytes(data)
        message = refusal(tmp_path)
        assert words in message
        assert str(path) in message
        assert len(message) < 500


def test_what_is_not_needed_is_passed_over_and_memory_stays_flat(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    more = {"segmentation": [[1.5, {"id": 9, "caption": "no"}]], "url": "x" * 1000, "caption": "a bird", "id": 1}
    listed = content({1: "a.jpg"}, [])
    listed["annotations"] = [{"image_id": 1, **more}]
    write(tmp_path / "captions.json", {"boxes": [more] * 5_000, **listed, "images.id": {"images": 1}})
    tracemalloc.start()
    try:
        assert [item.captions for item in read(tmp_path)[0].values()] == [("a bird",)]
        assert tracemalloc.get_traced_memory()[1] < (tmp_path / "captions.json").stat().st_size / 2
    finally:
        tracemalloc.stop()


def test_half_characters_and_damage_without_the_parser_in_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ijson, "basic_parse_coro", ijson.get_backend("python").basic_parse_coro)
    picture(tmp_path / "a.jpg")
    extract(tmp_path, {1: "a.jpg", 2: "\ud800.jpg"}, [(1, "a\udcffbird")])
    assert [item.captions for item in read(tmp_path)[0].values()] == [("a bird",)]
    assert told(tmp_path)["its name is not UTF-8"] == ["?.jpg"]
    path = tmp_path / "captions.json"
    for damage in (b"{}", b'{"images": [1,]}', b'{"images": ["\n"]}', b'{"images": [' + b"9" * 5000 + b"]}"):
        path.write_bytes(damage + b"{}")
        assert f"{path} is no JSON" in refusal(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_of_windows_editors(tmp_path: Path, encoding: str) -> None:
    published(tmp_path)
    for path in (tmp_path / "annotations").iterdir():
        path.write_bytes(path.read_text().replace("two", "zwölf").encode(encoding))
    assert [item.captions[1] for item in read(tmp_path)[0].values()] == ["zwölf", "zwölf"]


def test_damaged_bytes_in_a_caption_are_mended_and_told(tmp_path: Path) -> None:
    published(tmp_path)
    path = tmp_path / "annotations" / "captions_train2014.json"
    path.write_bytes(path.read_bytes().replace(b"two", b"a red\xff\xfebird"))
    examples, skipped = read(tmp_path)
    assert examples[TRAIN].captions[1] == "a red bird"
    assert "damaged" in skipped["annotations/captions_train2014.json annotations 2"]


def test_captions_before_images_and_from_several_files_at_once(tmp_path: Path) -> None:
    published(tmp_path)
    for path in (tmp_path / "annotations").iterdir():
        path.write_text(json.dumps(dict(reversed(json.loads(path.read_text()).items())), indent=2))
    assert [item.captions[1] for item in read(tmp_path)[0].values()] == ["two", "two"]


def test_other_layouts_are_not_recognised(tmp_path: Path) -> None:
    picture(tmp_path / "pairs" / "images" / "a.png")
    (tmp_path / "pairs" / "images" / "a.txt").write_text("x")
    write(tmp_path / "boxes" / "annotations" / "instances_train2014.json", {})
    picture(tmp_path / "boxes" / "train2014" / "a.jpg")
    write(tmp_path / "words" / "captions.json", {})
    (tmp_path / "pickles" / "train").mkdir(parents=True)
    (tmp_path / "pickles" / "captions.pickle").write_bytes(b"")
    (tmp_path / "folders" / "captions.json").mkdir(parents=True)
    picture(tmp_path / "folders" / "a.png")
    write(tmp_path / "file.json", {})
    for name in ("pairs", "boxes", "words", "pickles", "folders", "file.json", "nowhere"):
        assert CocoReader().recognises(tmp_path / name) is None, name
    assert "person_keypoints" in refusal(tmp_path / "boxes")


def test_recognising_opens_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published(tmp_path)
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("opened"))
    assert CocoReader().recognises(tmp_path)


def test_sources_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published(tmp_path)
    for source, words in ((None, "no folder to read"), (tmp_path / "nowhere", "There is no folder")):
        with pytest.raises(DataError, match=words):
            list(CocoReader().examples(source))
    original = Path.lstat

    def denied(self: Path) -> os.stat_result:
        if self.name == SURFER:
            raise PermissionError(13, "Permission denied", str(self))
        return original(self)

    monkeypatch.setattr(Path, "lstat", denied)
    assert f"{SURFER} cannot be opened: Permission denied" in refusal(tmp_path)
