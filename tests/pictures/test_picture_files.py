from __future__ import annotations

import json
import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from stackgan_cli.errors import DataError, StackganError, UsageError
from stackgan_cli.pictures.picture_files import check_target, read_facts, save_new_picture, save_picture, slug

PICTURE = Image.new("RGB", (8, 8), "red")


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("A small, red bird!", "a-small-red-bird"),
        ("Ein großer Vögel", "ein-groer-vogel"),
        ("../../etc/passwd", "etc-passwd"),
        ("鳥", "picture"),
        ("", "picture"),
        ("x" * 500, "x" * 60),
    ],
)
def test_prompts_become_names_that_every_file_system_takes(prompt: str, expected: str) -> None:
    assert slug(prompt) == expected


def test_a_taken_name_gets_a_number(tmp_path: Path) -> None:
    for expected in ("bird.png", "bird-2.png", "bird-3.png"):
        assert save_new_picture(PICTURE, tmp_path, "bird", None).name == expected


@pytest.mark.parametrize("links", [True, False], ids=["with hard links", "without"])
def test_pictures_written_at_once_never_overwrite_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    with ThreadPoolExecutor(8) as pool:
        paths = list(
            pool.map(lambda seed: save_new_picture(PICTURE.copy(), tmp_path, "bird", {"seed": seed}), range(64))
        )
    assert [read_facts(path)["seed"] for path in paths] == list(range(64))
    assert len(list(tmp_path.iterdir())) == 64
    with pytest.raises(UsageError, match="nothing is overwritten"):
        save_picture(PICTURE, paths[5], None)
    assert read_facts(paths[5])["seed"] == 5


def test_facts_come_back_and_other_tools_find_the_prompt(tmp_path: Path) -> None:
    facts = {"prompt": "ein Vögel, 鳥 🐦\nzwei Zeilen", "seed": 2**62, "model": "birds", "stage": 2}
    save_picture(PICTURE, tmp_path / "new" / "bird.png", facts)
    assert read_facts(tmp_path / "new" / "bird.png") == facts
    with Image.open(tmp_path / "new" / "bird.png") as picture:
        assert json.loads(picture.info["stackgan"]) == facts
        assert picture.info["parameters"].startswith(str(facts["prompt"]))
        assert f"seed: {2**62}" in picture.info["parameters"]


def test_pictures_without_facts_are_said_to_have_none(tmp_path: Path) -> None:
    save_picture(PICTURE, tmp_path / "plain.png", None)
    with pytest.raises(DataError, match="does not say"):
        read_facts(tmp_path / "plain.png")
    exif = Image.Exif()
    exif[0x010E] = "OLYMPUS DIGITAL CAMERA"
    PICTURE.save(tmp_path / "photo.jpg", exif=exif)
    with pytest.raises(DataError, match="does not say"):
        read_facts(tmp_path / "photo.jpg")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").touch()
    for name in ("text.png", "empty.png", "absent.png"):
        with pytest.raises(DataError, match="cannot be read"):
            read_facts(tmp_path / name)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".avif"])
def test_every_kind_of_damage_is_one_sentence(tmp_path: Path, suffix: str) -> None:
    save_picture(PICTURE, tmp_path / f"whole{suffix}", {"prompt": "a red bird", "seed": 7})
    whole = (tmp_path / f"whole{suffix}").read_bytes()
    path = tmp_path / f"damaged{suffix}"
    told: list[str] = []
    for place in range(0, len(whole), 4):
        for content in (whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :], whole[:place]):
            path.write_bytes(content)
            try:
                read_facts(path)
            except DataError as error:
                told.append(error.message)
    assert len(told) > len(whole) // 16
    assert all(str(path) in message for message in told)


def test_facts_of_strangers_are_not_believed(tmp_path: Path) -> None:
    from PIL import PngImagePlugin

    for text in ("[1, 2]", "{broken", "7", "[" * 100_000):
        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt("stackgan", text)
        PICTURE.save(tmp_path / "strange.png", pnginfo=chunks)
        with pytest.raises(DataError):
            read_facts(tmp_path / "strange.png")


def test_output_may_be_one_new_picture_or_any_folder(tmp_path: Path) -> None:
    check_target(tmp_path / "one.png", 1)
    check_target(tmp_path / "folder", 100)
    check_target(Path(), 100)
    (tmp_path / "run.2026").mkdir()
    check_target(tmp_path / "run.2026", 100)
    for name in ("there.png", "there"):
        (tmp_path / name).touch()
    wrong = {"one.png": 2, "one.bmp": 1, "there.png": 1, "there": 2}
    for name, count in wrong.items():
        with pytest.raises(UsageError) as refused:
            check_target(tmp_path / name, count)
        if name == "one.bmp":
            assert refused.value.hint == f"--output {tmp_path / 'one.png'}"


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StackganError, match="could not be written"):
        save_picture(PICTURE, tmp_path / "file" / "bird.png", None)


def test_a_picture_bomb_is_refused_at_once(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")
    )
    with pytest.raises(DataError, match=r"bomb\.png cannot be read"):
        read_facts(path)


@pytest.mark.parametrize("name", ["bird.png", "bird.jpg", "bird.JPEG", "bird.webp", "bird.avif"])
def test_every_format_tells_people_other_tools_and_this_one_how_it_was_made(tmp_path: Path, name: str) -> None:
    facts = {"prompt": "ein Vögel 🐦", "seed": 3, "model": "birds"}
    path = tmp_path / name
    save_picture(PICTURE, path, facts)
    assert read_facts(path) == facts
    with Image.open(path) as picture:
        assert picture.size == PICTURE.size
        comment = picture.getexif().get_ifd(0x8769).get(0x9286, b"")
        line = picture.info.get("parameters") or comment.removeprefix(b"UNICODE\0").decode("utf-16-be")
    assert line.startswith("ein Vögel 🐦\nseed: 3")
    save_picture(PICTURE, tmp_path / f"plain-{name}", None)
    with pytest.raises(DataError, match="does not say"):
        read_facts(tmp_path / f"plain-{name}")


def test_a_jpeg_says_as_much_of_long_prompts_as_it_has_room_for(tmp_path: Path) -> None:
    for count, told in ((900, True), (3000, False)):
        facts = {"prompts": [f"a small red bird with black wings {number}" for number in range(count)]}
        path = tmp_path / f"{count}.jpg"
        save_picture(PICTURE, path, facts)
        assert Image.open(path).size == PICTURE.size
        if told:
            assert read_facts(path) == facts
        else:
            with pytest.raises(DataError, match="does not say"):
                read_facts(path)


def test_lossless_formats_keep_every_pixel(tmp_path: Path) -> None:
    for form in ("png", "webp"):
        path = save_new_picture(PICTURE, tmp_path, "bird", None, form)
        assert Image.open(path).convert("RGB").tobytes() == PICTURE.convert("RGB").tobytes()
    with pytest.raises(UsageError, match="no format 'tiff'"):
        save_new_picture(PICTURE, tmp_path, "bird", None, "tiff")
