"""Lists of pictures and captions of every form: which is read, which pictures it means, and what is wrong with it."""

from __future__ import annotations

import json
import os
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from sources import named

from stackgan_cli.errors import DataError
from stackgan_cli.readers.encodings import read_as
from stackgan_cli.readers.folder.folder import FolderReader


def write(root: Path, files: dict[str, str | bytes] | None = None, *pictures: str) -> None:
    for name in pictures:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    for name, content in (files or {}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)


def read(root: Path, **options: Any) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """The captions of each picture, and what was left out."""
    examples, skipped = named(FolderReader(**options), root)
    return {name: item.captions for name, item in examples.items()}, skipped


TWO = {"a.jpg": ("a red bird",), "b.jpg": ("a blue bird, asleep",)}
LINES = "".join(json.dumps({"image": name, "caption": said[0]}) + "\n" for name, said in TWO.items())
LISTS = {
    "captions.csv": 'file,caption\na.jpg,a red bird\nb.jpg,"a blue bird, asleep"\n',
    "captions.tsv": "file\tcaption\na.jpg\ta red bird\nb.jpg\ta blue bird, asleep\n",
    "captions.txt": "image,caption\na.jpg,a red bird\nb.jpg,a blue bird, asleep\n",
    "no header.csv": 'a.jpg,a red bird\nb.jpg,"a blue bird, asleep"\n',
    "no header, no quotation.csv": "a.jpg,a red bird\nb.jpg,a blue bird, asleep\n",
    "no header.tsv": "a.jpg\ta red bird\nb.jpg\ta blue bird, asleep\n",
    "bars.txt": "a.jpg|a red bird\nb.jpg|a blue bird, asleep\n",
    "a space.txt": "a.jpg a red bird\nb.jpg a blue bird, asleep\n",
    "captions first.csv": 'a red bird,a.jpg\n"a blue bird, asleep",b.jpg\n',
    "columns of any names.csv": 'shot,what is on it,number\na.jpg,a red bird,1\nb.jpg,"a blue bird, asleep",2\n',
    "Flickr8k.token.txt": "a.jpg#0\ta red bird\nb.jpg#0\ta blue bird, asleep\nb.jpg#1\ta blue bird, asleep\n",
    "results_20130124.token": "a.jpg#0\ta red bird\nb.jpg#0\ta blue bird, asleep\n",
    "results.csv": "image_name| comment_number| comment\na.jpg| 0| a red bird\nb.jpg| 0| a blue bird, asleep\n",
    "results without header.csv": "a.jpg| 0| a red bird\nb.jpg| 0| a blue bird, asleep\n",
    "openclip.csv": "filepath\ttitle\na.jpg\ta red bird\nb.jpg\ta blue bird, asleep\n",
    "captions.jsonl": LINES,
    "lines.json": LINES,
    "llava.json": json.dumps(
        [
            {
                "id": key,
                "image": key,
                "conversations": [
                    {"from": "human", "value": "<image>\nWhat is this?"},
                    {"from": "gpt", "value": said[0]},
                ],
            }
            for key, said in TWO.items()
        ]
    ),
    "narratives.jsonl": LINES.replace("image", "image_id").replace(".jpg", ""),
    **{
        f"list of {name}.json": json.dumps([{name: "a.jpg", "caption": "a red bird"}, {name: "b.jpg", words: said}])
        for name, words, said in (
            ("image", "caption", "a blue bird, asleep"),
            ("file", "text", "a blue bird, asleep"),
            ("file_name", "captions", ["a blue bird, asleep"]),
            ("path", "sentences", [{"raw": "a blue bird, asleep", "tokens": ["a"]}]),
        )
    },
    "pairs.json": json.dumps([["a.jpg", "a red bird"], ["b.jpg", "a blue bird, asleep"]]),
    "captions.json": json.dumps({"a.jpg": "a red bird", "b.jpg": "a blue bird, asleep"}),
    "lists.json": json.dumps({"a.jpg": ["a red bird"], "b.jpg": ["a blue bird, asleep", "NaN"]}),
    "stems.json": json.dumps({"a": "a red bird", "b": "a blue bird, asleep"}),
    "records.json": json.dumps({"a.jpg": [{"caption": "a red bird"}], "b.jpg": {"text": "a blue bird, asleep"}}),
    "meta_cap.json": json.dumps(
        {
            "/home/ada/ada/a": {"caption": "a red bird", "tags": "x"},
            "/home/ada/ada/b": {"caption": "a blue bird, asleep"},
        }
    ),
    "meta_cap of Windows.json": json.dumps({f"C:\\ada\\ada\\{name}": {"caption": TWO[name][0]} for name in TWO}),
    "dataset_flickr8k.json": json.dumps(
        {
            "dataset": "flickr8k",
            "images": [
                {"filename": name, "imgid": 1, "sentences": [{"raw": said[0], "tokens": []}]}
                for name, said in TWO.items()
            ],
        }
    ),
    "behind.json": json.dumps(
        {"data": [{"image": k, "caption": v[0]} for k, v in TWO.items()], "version": 1, "by": "ada"}
    ),
}


@pytest.mark.parametrize(
    ("name", "folder"),
    # Those of kohya's scripts may say where the pictures were when they were captioned.
    [(name, each) for name in LISTS for each in ("", "ada/" if "meta" in name else "Images/", "ada/ada/")],
)
def test_lists_of_every_form_beside_the_pictures_or_above_them(tmp_path: Path, name: str, folder: str) -> None:
    write(tmp_path, {name: LISTS[name]}, f"{folder}a.jpg", f"{folder}b.jpg", f"{folder}c.jpg")
    assert FolderReader().recognises(tmp_path) == f"{name} lists pictures and captions"
    captions, skipped = read(tmp_path)
    assert captions == {folder + key: said for key, said in TWO.items()}
    assert skipped.pop(f"{folder}c.jpg") == f"not listed in {name}"
    assert all("repeats" in reason for reason in skipped.values())


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("name", ["captions.csv", "captions.tsv", "captions.json", "captions.jsonl", "captions.txt"])
def test_lists_in_other_encodings(tmp_path: Path, name: str, encoding: str) -> None:
    said = "ein grüner Vogel, „schön“ — süß"
    rows = {
        ".csv": f'file,caption\na.jpg,"{said}"\n',
        ".tsv": f"a.jpg\t{said}\n",
        ".json": json.dumps({"a.jpg": said}, ensure_ascii=False),
        ".jsonl": json.dumps({"image": "a.jpg", "caption": said}, ensure_ascii=False),
        ".txt": f"a.jpg#0\t{said}\n",
    }
    write(tmp_path, {name: rows[Path(name).suffix].encode(encoding)}, "a.jpg")
    captions, skipped = read(tmp_path)
    assert captions == {"a.jpg": (said,)}
    assert skipped.keys() == ({name} if encoding == "cp1252" else set())


@pytest.mark.parametrize("name", ["captions.csv", "captions.json", "captions.jsonl"])
def test_a_chosen_encoding_decides(tmp_path: Path, name: str) -> None:
    said = "красная птица"
    rows = {
        ".csv": f"a.jpg,{said}",
        ".json": f'["a.jpg", "{said}"]',
        ".jsonl": f'{{"image": "a.jpg", "text": "{said}"}}',
    }
    content = rows[Path(name).suffix]
    write(tmp_path, {name: (f"[{content}]" if name.endswith(".json") else content).encode("koi8-r")}, "a.jpg")
    with read_as("koi8-r"):
        assert read(tmp_path) == ({"a.jpg": (said,)}, {})


def test_quotation_marks_of_token_files_are_words(tmp_path: Path) -> None:
    write(tmp_path, {"x.token": 'a.jpg#0\t"Hello" says one\nb.jpg#0\t"Open says another\n'}, "a.jpg", "b.jpg")
    assert read(tmp_path)[0] == {"a.jpg": ('"Hello" says one',), "b.jpg": ('"Open says another',)}


def test_hostile_rows_are_told_by_their_places(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").touch()
    rows: dict[str, Any] = {
        "a.jpg": "fine",
        "gone.jpg": "x",
        "../secret.jpg": "x",
        "/etc/passwd": "x",
        "b.jpg": " ",
        "c.jpg": None,
        "d.jpg": "nan",
        "e.jpg": 7,
        "f.jpg": {"width": 3},
        "": "x",
        "link.jpg": "x",
    }
    write(tmp_path / "data", {"captions.json": json.dumps(rows)}, *(f"{name}.jpg" for name in "abcdef"))
    (tmp_path / "data" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    captions, skipped = read(tmp_path / "data")
    assert captions == {"a.jpg": ("fine",)}
    for name, words in {
        "gone.jpg": "captions.json row 2: there is no such file",
        "../secret.jpg": "row 3: the name leads out of the folder",
        "/etc/passwd": "row 4: the name leads out of the folder",
        "e.jpg": "neither text nor a list",
        "f.jpg": "it has no caption",
        "captions.json row 10": "no file_name",
        "link.jpg": "out of the folder",
    }.items():
        assert words in skipped[name], (name, skipped)


HOSTILE = [
    ("a.jpg", "one"),
    ("gone.jpg", "x"),
    ("b.jpg", ""),
    ("c.jpg", "NaN"),
    ("a.jpg", "two"),
    ("a.jpg", "one"),
    ("../d.jpg", "x"),
]
HOSTILE_LISTS = {
    "captions.csv": "file,caption\n" + "".join(f"{name},{said}\n" for name, said in HOSTILE),
    "no header.tsv": "".join(f"{name}\t{said}\n" for name, said in HOSTILE),
    "x.token": "".join(f"{name}#{number}\t{said}\n" for number, (name, said) in enumerate(HOSTILE)),
    "results.csv": "image_name| comment_number| comment\n" + "".join(f"{name}| 0| {said}\n" for name, said in HOSTILE),
    "lines.jsonl": "".join(json.dumps({"image": name, "caption": said}) + "\n" for name, said in HOSTILE),
    "records.json": json.dumps([{"image": name, "caption": said} for name, said in HOSTILE]),
    "names.json": "{" + ", ".join(f"{json.dumps(name)}: {json.dumps(said)}" for name, said in HOSTILE) + "}",
    "meta.json": "{" + ", ".join(f'"{name[:-4]}": {{"caption": "{said}"}}' for name, said in HOSTILE) + "}",
    "karpathy.json": json.dumps(
        {"images": [{"filename": k, "sentences": [{"raw": v}]} for k, v in HOSTILE], "by": "me"}
    ),
}


@pytest.mark.parametrize("name", HOSTILE_LISTS)
def test_every_form_tells_of_absent_pictures_empty_captions_and_repeats(tmp_path: Path, name: str) -> None:
    write(tmp_path / "data", {name: HOSTILE_LISTS[name]}, *(f"{picture}.jpg" for picture in "abce"))
    (tmp_path / "d.jpg").touch()
    captions, skipped = read(tmp_path / "data")
    assert captions == {"a.jpg": ("one", "two")}
    reasons = "\n".join(f"{key}: {reason}" for key, reason in skipped.items())
    for words in (
        "no such file",
        "no caption",
        "repeats an earlier row",
        "leads out of the folder",
        "e.jpg: not listed",
    ):
        assert words in reasons, (words, reasons)


def test_names_written_elsewhere_mean_the_only_picture_that_they_can(tmp_path: Path) -> None:
    names = {
        "x/cat/1.png": "cat/1.png",  # the list was made one folder above
        "/home/ada/set/dog/1.png": "dog/1.png",  # on another machine
        "2.png": "dog/2.png",  # without folders
        "CAT\\3.PNG": "cat/3.png",  # on another system
        "cat/4": "cat/4.png",  # without suffixes
        "./cat/5.png": "cat/5.png",
    }
    write(tmp_path, {"captions.json": json.dumps({name: name for name in names})}, *names.values())
    captions, skipped = read(tmp_path)
    assert captions == {picture: (name,) for name, picture in names.items()}
    assert not skipped


def test_numbers_of_coco_mean_its_pictures(tmp_path: Path) -> None:
    rows = [{"dataset_id": "mscoco_val2017", "image_id": number, "caption": number} for number in ("139", "724", "8")]
    write(
        tmp_path,
        {"x.jsonl": "\n".join(map(json.dumps, rows))},
        *(f"v/{number:012d}.jpg" for number in (139, 1139)),
        "v/724.jpg",
    )
    captions, skipped = read(tmp_path)
    assert captions == {"v/000000000139.jpg": ("139",), "v/724.jpg": ("724",)}
    assert "no such file" in skipped["8"]


def test_a_picture_that_is_not_where_it_should_be_is_named_and_not_taken(tmp_path: Path) -> None:
    names = ("cat/1.png", "pics/2.png", "3.jpg", "4.png", "a/5.png", "b/5.png", "cat/6.png")
    there = ("dog/1.png", "other/2.png", "3.png", "x/4.png", "y/4.png", "5.png", "6.png", "ok.png")
    rows = [{"image": name, "caption": name} for name in (*names, "6.png", "ok.png")]
    write(tmp_path, {"captions.json": json.dumps(rows)}, *there)
    captions, skipped = read(tmp_path)
    assert captions == {"ok.png": ("ok.png",), "6.png": ("6.png",)}
    assert "there is no such file (but there is dog/1.png)" in skipped["cat/1.png"]
    assert "there is no such file (but there is other/2.png)" in skipped["pics/2.png"]
    assert "there is no such file (but there is 3.png)" in skipped["3.jpg"]
    assert "more than one picture may be meant (x/4.png and y/4.png)" in skipped["4.png"]
    assert all("several names end like 5.png" in skipped[name] for name in ("a/5.png", "b/5.png"))
    assert "there is no such file (but there is 6.png)" in skipped["cat/6.png"]


def test_a_list_in_a_folder_of_its_own(tmp_path: Path) -> None:
    rows = {"../images/a.png": "up", "images/b.png": "from the source", "c.png": "by its end"}
    write(tmp_path, {"annotations/x.json": json.dumps(rows)}, *(f"images/{name}.png" for name in "abc"))
    assert FolderReader().recognises(tmp_path) == "annotations/x.json lists pictures and captions"
    assert {name: said[0] for name, said in read(tmp_path)[0].items()} == {
        f"images/{name}.png": said for name, said in zip("abc", rows.values(), strict=True)
    }


def test_rows_of_one_picture_are_joined_however_it_is_called(tmp_path: Path) -> None:
    write(tmp_path, {"captions.csv": "a.png,one\nImages/a.png,two\nA.PNG,three\na,four\n"}, "Images/a.png")
    captions, skipped = read(tmp_path)
    assert sorted(captions["Images/a.png"]) == ["four", "one", "three", "two"]
    assert not skipped


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train.csv", "val.csv"), ["train", "test"]),
        (("train/captions.csv", "test/captions.csv"), ["train", "test"]),
        (("ann/my_train.json", "ann/my_test.json"), ["train", "test"]),
        (("part-0.csv", "part-1.csv"), [None, None]),
    ],
)
def test_lists_that_belong_together_are_all_read(
    tmp_path: Path, names: tuple[str, str], splits: list[str | None]
) -> None:
    for name, picture in zip(names, ("a", "b"), strict=True):
        content = json.dumps({f"{picture}.jpg": "x"}) if name.endswith("json") else f"file,caption\n{picture}.jpg,x\n"
        write(tmp_path, {name: content}, f"images/{picture}.jpg")
    examples, skipped = named(FolderReader(), tmp_path)
    assert [item.split for item in examples.values()] == splits
    assert not skipped


FLICKR8K = {
    "text/Flickr8k.token.txt": "".join(f"{name}.jpg#{number}\tA dog .\n" for name in "abcdef" for number in range(2)),
    "text/Flickr_8k.trainImages.txt": "a.jpg\nb.jpg\nabsent.jpg\n",
    "text/Flickr_8k.devImages.txt": "c.jpg\n",
    "text/Flickr_8k.testImages.txt": "d.jpg\nb.jpg\n",
    "text/ExpertAnnotations.txt": "a.jpg\tb.jpg#2\t1\t1\t1\n",
    "text/CrowdFlowerAnnotations.txt": "a.jpg\tb.jpg#2\t0.3\t1\t2\n",
    "text/readme.txt": "Please cite\n",
}


def test_the_splits_of_flickr8k(tmp_path: Path) -> None:
    pictures = [f"Flicker8k_Dataset/{name}.jpg" for name in "abcdef"]
    write(tmp_path, FLICKR8K, *pictures)
    examples, skipped = named(FolderReader(), tmp_path)
    assert [item.split for item in examples.values()] == ["train", "test", "test", "test", None, None]
    told = {name: reason for name, reason in skipped.items() if "repeats" not in reason}
    assert told == dict.fromkeys(
        pictures[4:], "kept as without a split: it is in no list of one, such as text/Flickr_8k.trainImages.txt"
    )


@pytest.mark.parametrize(
    ("files", "splits"),
    [
        ({"train.txt": "a\n", "val.txt": "b\n"}, ["train", "test"]),
        ({"train.txt": "./images/a.jpg\n", "lists/test.txt": "/home/ada/images/b.jpg\n"}, ["train", "test"]),
        ({"train.txt": "a\nb\n"}, [None, None]),  # all is for training: nothing would be for testing
        ({"train.txt": "a\n", "test.txt": "a bird\n\0\n" + "x" * 5000}, [None, None]),
        ({f"test_{number}.txt": "a\n" for number in range(30)}, [None, None]),
    ],
)
def test_lists_of_splits_beside_captions_of_any_form(
    tmp_path: Path, files: dict[str, str | bytes], splits: list[str | None]
) -> None:
    write(tmp_path, {**files, "images/a.caption": "x", "images/b.caption": "y"}, "images/a.jpg", "images/b.jpg")
    examples, _ = named(FolderReader(), tmp_path)
    assert [item.split for item in examples.values()] == splits


def test_the_splits_of_karpathys_files(tmp_path: Path) -> None:
    splits = {"a": "train", "b": "restval", "c": "val", "d": "test"}
    images = [
        {"filepath": "val2014", "filename": f"{name}.jpg", "split": split, "sentences": [{"raw": "x"}]}
        for name, split in splits.items()
    ]
    content = json.dumps({"images": images, "dataset": "coco"})
    write(tmp_path, {"dataset_coco.json": content}, *(f"val2014/{name}.jpg" for name in splits))
    examples, skipped = named(FolderReader(), tmp_path)
    assert [item.split for item in examples.values()] == ["train", None, "test", "test"]
    assert "neither train nor test (restval)" in skipped["dataset_coco.json row 2"]


def test_of_several_lists_the_likeliest_is_read_or_a_person_chooses(tmp_path: Path) -> None:
    row = "file,caption\na.jpg,{}\n"
    write(tmp_path, {f"{name}.csv": row.format(name) for name in ("captions", "results", "other")}, "a.jpg", "b.jpg")
    write(
        tmp_path,
        {"captions.json": '{"a.jpg": "x"}', "captions_old.csv": row.format("old"), "notes.txt": "a.jpg is red"},
    )
    captions, skipped = read(tmp_path)
    assert captions == {"a.jpg": ("captions",)}
    assert all("captions.csv is there too" in skipped[f"{name}"] for name in ("results.csv", "captions.json"))
    write(tmp_path, {"more captions.csv": row.format("more")})
    assert "several lists" in (FolderReader().recognises(tmp_path) or "")
    with pytest.raises(DataError, match=r"several lists of captions: captions\.csv, more captions\.csv") as caught:
        read(tmp_path)
    assert caught.value.hint == "--captions captions.csv"
    assert read(tmp_path, captions="more captions.csv")[0] == {"a.jpg": ("more",)}


def test_captions_that_a_person_names_may_lie_anywhere(tmp_path: Path) -> None:
    root = tmp_path / "data"
    write(root, {"a.txt": "beside"}, "a.jpg", "cat/b.jpg")
    write(
        tmp_path,
        {"far/list.json": '{"a.jpg": "far", "b": "far too"}', "texts/a.txt": "one\ntwo", "texts/cat/b.txt": "x"},
    )
    assert read(root)[0] == {"a.jpg": ("beside",)}
    listed = read(root, captions=str(tmp_path / "far" / "list.json"))
    assert listed == ({"a.jpg": ("far",), "cat/b.jpg": ("far too",)}, {})
    assert read(root, captions="../texts") == ({"a.jpg": ("one", "two"), "cat/b.jpg": ("x",)}, {})
    for place in ("../texts", str(tmp_path / "far" / "list.json")):
        assert FolderReader(captions=place).recognises(root)
    for place in ("nowhere", "a.jpg", "../far"):
        assert FolderReader(captions=place).recognises(root) is None
    with pytest.raises(DataError, match="nowhere is not there"):
        read(root, captions="nowhere")


def test_a_list_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    write(tmp_path, None, "a.jpg")
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    for name in ("pipe.csv", "zero.csv"):
        assert FolderReader(captions=name).recognises(tmp_path) is None
        assert "neither a file nor a folder" in (FolderReader(captions=name).missing(tmp_path) or "")
        with pytest.raises(DataError, match="neither a file nor a folder"):
            read(tmp_path, captions=name)


def test_links_and_secrets_in_a_folder_of_captions_that_a_person_names(tmp_path: Path) -> None:
    write(tmp_path, {"secret.txt": "secret", "texts/b.txt": "fine"}, "data/a.jpg", "data/b.jpg")
    (tmp_path / "texts" / "a.txt").symlink_to(tmp_path / "secret.txt")
    captions, skipped = read(tmp_path / "data", captions=str(tmp_path / "texts"))
    assert captions == {"b.jpg": ("fine",)}
    assert "out of the folder" in skipped["a.jpg"]


def test_files_of_one_picture_each_come_before_lists_if_half_of_the_pictures_have_one(tmp_path: Path) -> None:
    pictures = [f"{number}.jpg" for number in range(6)]
    write(tmp_path, {"captions.csv": "".join(f"{name},listed\n" for name in pictures), "0.txt": "beside"}, *pictures)
    assert set(read(tmp_path)[0].values()) == {("listed",)}
    write(tmp_path, {f"{number}.txt": "beside" for number in range(4)})
    captions, skipped = read(tmp_path)
    assert captions == {f"{number}.jpg": ("beside",) for number in range(4)}
    assert skipped.keys() == {"4.jpg", "5.jpg"}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[" * 100_000,
        '{"a.jpg": ' + "[" * 100_000,
        '[{"image": "a.jpg"',
        "null",
        "17",
        '"a.jpg"',
        '{"a.jpg": "' + "x" * (5 << 20) + '"}',
        '[{"image": "a.jpg", "caption": ["x"' + ',"x"' * 30_000 + "]}]",
        '{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1, "category_id": 1}]}',
    ],
)
def test_json_without_captions_of_these_pictures_is_no_list(tmp_path: Path, content: str) -> None:
    write(tmp_path, {"captions.json": content}, "a.jpg")
    assert FolderReader().recognises(tmp_path) is None
    with pytest.raises(DataError):
        read(tmp_path, captions="captions.json")


def test_damage_behind_good_entries_is_an_error_and_not_a_smaller_data_set(tmp_path: Path) -> None:
    whole = json.dumps([{"image": "a.jpg", "caption": f"caption {number}"} for number in range(100)])
    for content in (whole[:-30], whole + "]", whole.replace("caption 90", "caption\n90")):
        write(tmp_path, {"captions.json": content}, "a.jpg")
        with pytest.raises(DataError, match=r"captions\.json") as caught:
            read(tmp_path)
        assert caught.value.hint


def test_mutated_lists_come_to_examples_or_reasons(tmp_path: Path) -> None:
    chance = random.Random(5)
    for name in (
        "captions.json",
        "dataset_flickr8k.json",
        "lists.json",
        "Flickr8k.token.txt",
        "results.csv",
        "no header.csv",
    ):
        whole = LISTS[name].encode()
        write(tmp_path / name, None, "a.jpg", "b.jpg")
        for _ in range(120):
            data = bytearray(whole)
            for _ in range(chance.choice((1, 2, 6))):
                place = chance.randrange(len(data))
                data[place : place + chance.choice((1, 4))] = chance.choice(
                    (b"", b"\0", b'"', b"{", b"[", b"\xff", b"\n", b",")
                )
            write(tmp_path / name, {name: bytes(data)})
            try:
                captions, skipped = read(tmp_path / name)
            except DataError:
                continue
            assert captions.keys() <= TWO.keys()
            assert all(f"{key}{reason}".encode() for key, reason in skipped.items())


def test_memory_for_a_large_list_is_that_of_its_pictures(tmp_path: Path) -> None:
    filling = {"traces": [{"x": 0.5, "y": 0.25, "t": 1.0}] * 50}
    rows = [{"image": "a.jpg", "caption": "the same", **filling} for number in range(2000)]
    write(tmp_path, {"captions.json": json.dumps(rows)}, "a.jpg")
    assert (tmp_path / "captions.json").stat().st_size > 3 << 20
    tracemalloc.start()
    captions, skipped = read(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert captions == {"a.jpg": ("the same",)}
    assert skipped.keys() == {"1,999 rows"}
    assert peak < 2 << 20
