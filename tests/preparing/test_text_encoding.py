from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from stackgan_cli.preparing.text_encoding import FeatureFile


def test_batches_come_back_as_one_table(tmp_path: Path) -> None:
    batches = [torch.randn(rows, 7) for rows in (3, 1, 5)]
    with FeatureFile(tmp_path / "train.safetensors") as file:
        for batch in batches:
            file.write({"sentence": batch})
    assert file.width == 7
    assert torch.equal(load_file(tmp_path / "train.safetensors")["sentence"], torch.cat(batches))
    assert [path.name for path in tmp_path.iterdir()] == ["train.safetensors"]


def test_words_are_padded_to_the_longest_caption_of_all(tmp_path: Path) -> None:
    lengths = (2, 5, 1)
    with FeatureFile(tmp_path / "test.safetensors") as file:
        for length in lengths:
            file.write(
                {
                    "sentence": torch.full((2, 3), float(length)),
                    "words": torch.full((2, length, 4), float(length)),
                    "padding": torch.zeros(2, length, dtype=torch.bool),
                }
            )
    found = load_file(tmp_path / "test.safetensors")
    assert found["sentence"].shape == (6, 3)
    assert found["words"].shape == (6, 5, 4)
    assert found["padding"].dtype is torch.bool
    for batch, length in enumerate(lengths):
        rows = slice(2 * batch, 2 * batch + 2)
        assert (found["words"][rows, :length] == length).all()
        assert (found["words"][rows, length:] == 0).all()
        assert not found["padding"][rows, :length].any()
        assert found["padding"][rows, length:].all()
    assert [path.name for path in tmp_path.iterdir()] == ["test.safetensors"]


def test_an_error_leaves_no_file_that_reads(tmp_path: Path) -> None:
    path = tmp_path / "train.safetensors"

    def write_and_break() -> None:
        with FeatureFile(path) as file:
            file.write({"sentence": torch.zeros(2, 3)})
            raise RuntimeError("the encoder broke")

    with pytest.raises(RuntimeError, match="the encoder broke"):
        write_and_break()
    with pytest.raises(Exception, match=r".+"):
        load_file(path)
