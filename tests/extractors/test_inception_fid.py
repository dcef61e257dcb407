from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from stackgan_cli.components.protocols import Classifies
from stackgan_cli.errors import DataError, SettingsError
from stackgan_cli.extractors.inception_fid import InceptionFid, InceptionNetwork, resized

pytestmark = pytest.mark.usefixtures("on_one_thread")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights in the public file's form: drawn at random, and lively enough to reach the end."""
    torch.manual_seed(0)
    state = InceptionNetwork().state_dict()
    for key, tensor in state.items():
        if key.endswith("conv.weight"):
            state[key] = torch.randn_like(tensor) * (2 / tensor[0].numel()) ** 0.5
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(state, path)
    return path


def test_the_network_has_the_public_files_weights(weights: Path) -> None:
    # As pytorch-fid's file has them: 94 convolutions of six tensors each, and the last layer's two.
    state = torch.load(weights, weights_only=True)
    assert len(state) == 566
    assert sum(p.numel() for p in InceptionNetwork().parameters()) == 23_850_960
    shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
    assert shapes["Mixed_5b.branch5x5_2.conv.weight"] == (64, 48, 5, 5)
    assert shapes["Mixed_5c.branch_pool.conv.weight"] == (64, 256, 1, 1)
    assert shapes["Mixed_6a.branch3x3dbl_3.bn.running_var"] == (96,)
    assert shapes["Mixed_6c.branch7x7dbl_4.conv.weight"] == (160, 160, 7, 1)
    assert shapes["Mixed_7a.branch7x7x3_4.conv.weight"] == (192, 192, 3, 3)
    assert shapes["Mixed_7b.branch1x1.conv.weight"] == (320, 1280, 1, 1)
    assert shapes["Mixed_7c.branch3x3dbl_3b.conv.weight"] == (384, 384, 3, 1)
    assert shapes["fc.weight"] == (1008, 2048)


def test_pictures_become_features_and_logits_without_the_bias(weights: Path) -> None:
    extractor = InceptionFid(weights=str(weights))
    assert isinstance(extractor, Classifies)
    pictures = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    features, logits = extractor.features(pictures), extractor.logits(pictures)
    assert features.shape == (2, 2048)
    assert logits.shape == (2, 1008)
    assert features.std() > 0
    state = torch.load(weights, weights_only=True)
    assert torch.allclose(logits, features @ state["fc.weight"].T, atol=1e-4)
    # Strangers' weights are not passed off as the public ones.
    assert extractor.spec()["public"] is False
    assert len(extractor.spec()["sha256"]) == 64


def test_blocks_pool_as_the_published_network_does(weights: Path) -> None:
    network = InceptionFid(weights=str(weights)).network
    for block, width, pool in (("Mixed_5b", 192, "average"), ("Mixed_7b", 1280, "average"), ("Mixed_7c", 2048, "max")):
        mixed = network.get_submodule(block)
        features = torch.rand(1, width, 5, 5)
        by_hand = torch.stack([_pooled(features[0], row, column, pool) for row in range(5) for column in range(5)], 1)
        expected = mixed.get_submodule("branch_pool")(by_hand.view(1, width, 5, 5))
        assert torch.allclose(mixed(features)[:, -expected.shape[1] :], expected, atol=1e-4), block
    # A block that halves keeps, last, the largest of each neighbourhood.
    halved = network.get_submodule("Mixed_6a")(features := torch.rand(1, 288, 7, 7))
    assert halved.shape == (1, 768, 3, 3)
    assert torch.equal(halved[:, 480:], F.max_pool2d(features, 3, 2))


def _pooled(features: Tensor, row: int, column: int, pool: str) -> Tensor:
    """Mean or maximum of the neighbours that there are."""
    near = features[:, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2].flatten(1)
    return near.mean(1) if pool == "average" else near.amax(1)


def test_pictures_are_resized_as_tensorflow_1_did() -> None:
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    grown = resized(ramp, 8)
    # Pixel i lies at i / 2; beyond the last one the last one counts.
    assert grown[0, 0, 0].tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.0]
    assert torch.equal(resized(ramp.transpose(2, 3), 8), grown.transpose(2, 3))
    assert resized(ramp, 3)[0, 0, 0].tolist() == pytest.approx([0.0, 4 / 3, 8 / 3])
    assert torch.equal(resized(ramp, 4), ramp)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="needs its public weights") as caught:
        InceptionFid()
    assert "pt_inception-2015-12-05" in str(caught.value.hint)
    with pytest.raises(DataError, match="There are no weights of Inception at"):
        InceptionFid(weights=str(tmp_path / "absent.pth"))
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"not a file of torch")
    with pytest.raises(DataError, match="cannot be read as weights"):
        InceptionFid(weights=str(broken))
    torch.save([1, 2], broken)
    with pytest.raises(DataError, match="holds no tensors by name"):
        InceptionFid(weights=str(broken))
    torch.save({"fc.weight": torch.zeros(2, 2)}, broken)
    with pytest.raises(DataError, match="missing") as caught:
        InceptionFid(weights=str(broken))
    assert "pt_inception-2015-12-05" in str(caught.value.hint)
