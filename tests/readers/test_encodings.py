"""Texts in the encodings of before Unicode: told by looking, said, and decided by a person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sources import named, picture

from stackgan_cli.errors import UsageError
from stackgan_cli.readers.encodings import read_as
from stackgan_cli.readers.folder.folder import FolderReader

CAPTIONS = {
    "cp1252": ("Ein grüner Vogel mit gelbem Schnabel", "un petit oiseau coloré à la tête rouge"),
    "cp1250": ("Mały czerwony ptak siedzi na gałęzi", "żółty ptak"),
    "cp1251": ("Маленькая красная птица сидит на ветке", "синяя птица с белым хвостом"),
    "cp932": ("小さな赤い鳥が枝に止まっている", "青い鳥"),
    "gb18030": ("一只红色的小鸟站在树枝上", "蓝色的鸟"),
}


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("encoding", CAPTIONS)
def test_legacy_text_is_read_and_its_encoding_said(tmp_path: Path, encoding: str, listed: bool) -> None:
    first, second = CAPTIONS[encoding]
    written = {"a.png": first, "b.png": second, "c.png": "plain"}
    for name, caption in written.items():
        picture(tmp_path / name)
        if not listed:
            (tmp_path / name).with_suffix(".txt").write_bytes(caption.encode(encoding))
    if listed:
        rows = "".join(f"{name},{caption}\n" for name, caption in written.items())
        (tmp_path / "metadata.csv").write_bytes(f"file_name,caption\n{rows}".encode(encoding))
    examples, odd = named(FolderReader(), tmp_path)
    assert {name: each.captions for name, each in examples.items()} == {
        name: (caption,) for name, caption in written.items()
    }
    assert odd.keys() == ({"metadata.csv"} if listed else {"a.txt", "b.txt"})
    assert all(f"was read as {encoding} (--encoding decides" in reason for reason in odd.values())


def test_a_file_that_cannot_be_opened_keeps_no_other_from_being_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, caption in zip("abc", (*CAPTIONS["cp1251"], "shut"), strict=True):
        picture(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.txt").write_bytes(caption.encode("cp1251"))
    original = Path.open

    def denied(self: Path, *arguments: Any, **options: Any) -> Any:
        if self.name == "c.txt":
            raise PermissionError(13, "Permission denied", str(self))
        return original(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", denied)
    examples, odd = named(FolderReader(), tmp_path)
    assert list(examples) == ["a.png", "b.png"]
    assert odd["c.png"] == "its caption file cannot be opened: Permission denied"


def test_a_person_decides(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "a.txt").write_bytes("ptak żółty".encode("iso8859-2"))
    with read_as("latin2"):
        examples, odd = named(FolderReader(), tmp_path)
    assert (examples["a.png"].captions, odd) == (("ptak żółty",), {})
    with pytest.raises(UsageError, match="no encoding of text called 'klingon'"), read_as("klingon"):
        pass
    for name in ("base64", "idna", "punycode", "unicode_escape"):
        with pytest.raises(UsageError, match="no encoding"), read_as(name):
            pass


@pytest.mark.parametrize("written", ["utf-16-le", "utf-16-be", "utf-16", "utf-32-le", "utf-32"])
@pytest.mark.parametrize("name", ["a.txt", "captions.csv", "captions.json", "captions.jsonl"])
def test_utf_16_and_32_are_read_without_their_mark_too(tmp_path: Path, name: str, written: str) -> None:
    picture(tmp_path / "a.png")
    content = {".txt": "ptak żółty", ".csv": "a.png,ptak żółty", ".json": '{"a.png": "ptak żółty"}'}
    lines = '{"image": "a.png", "caption": "ptak żółty"}'
    (tmp_path / name).write_bytes(content.get(Path(name).suffix, lines).encode(written))
    with read_as(written[:6]):
        assert named(FolderReader(), tmp_path)[0]["a.png"].captions == ("ptak żółty",)


@pytest.mark.parametrize("text", ["NaN", "null\n", " None ", "\n\n"])
def test_words_for_nothing_are_no_captions(tmp_path: Path, text: str) -> None:
    picture(tmp_path / "a.png", "a bird")
    picture(tmp_path / "b.png", text)
    examples, odd = named(FolderReader(), tmp_path)
    assert list(examples) == ["a.png"]
    assert "holds no caption" in odd["b.png"]
