from __future__ import annotations

import pytest
import torch

from stackgan_cli.errors import UsageError
from stackgan_cli.machine import choose_machine, place


def test_the_processor_is_found_however_it_is_written() -> None:
    assert {choose_machine(name).device.type for name in ("cpu", "CPU", " Cpu ")} == {"cpu"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("name", ["cuda", "CUDA:1", "gpu", "0", "1"])
def test_a_gpu_that_is_not_there_says_why(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UsageError) as refused:
        choose_machine(name)
    hint = refused.value.hint or ""
    assert hint.startswith("--device cpu")
    if torch.version.cuda is None and torch.version.hip is None:
        assert torch.__version__ in hint
        assert "https://pytorch.org/get-started/locally" in hint


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize("name", ["gpu", "0", "GPU", "Cuda"])
def test_the_gpu_that_is_there_is_found(name: str) -> None:
    assert choose_machine(name).device.type == "cuda"


@pytest.mark.parametrize("name", ["meta", "cpu:7", "xla", "hpu:0", "nonsense", "cuda:99999999999999999999", ""])
def test_devices_that_cannot_compute_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be used here"):
        choose_machine(name)


@pytest.mark.parametrize(
    ("listed", "precision"),
    [
        ({"amx_bf16": True, "avx512_bf16": True, "cpu_name": "Intel Xeon"}, "bfloat16"),
        ({"amx_bf16": False, "avx512_bf16": True, "cpu_name": "AMD EPYC"}, "bfloat16"),
        ({"amx_bf16": False, "avx512_bf16": True, "cpu_name": "Intel Xeon"}, "float32"),
        ({"amx_bf16": False, "avx512_bf16": False, "cpu_name": "AMD EPYC"}, "float32"),
        ({}, "float32"),
    ],
    ids=str,
)
def test_half_precision_is_taken_where_it_was_measured_to_be_quicker(
    monkeypatch: pytest.MonkeyPatch, listed: dict[str, object], precision: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: listed, raising=False)
    assert choose_machine("cpu").precision == precision


def test_networks_are_placed_whatever_the_dimensions_of_their_weights() -> None:
    network = torch.nn.ModuleList([torch.nn.Conv2d(3, 4, 3), torch.nn.Conv3d(3, 4, 3), torch.nn.Linear(3, 4)])
    before = [weight.clone() for weight in network.parameters()]
    placed = place(network, torch.device("cpu"))
    assert all(torch.equal(*pair) for pair in zip(before, placed.parameters(), strict=True))
    assert placed[0].weight.is_contiguous(memory_format=torch.channels_last)
