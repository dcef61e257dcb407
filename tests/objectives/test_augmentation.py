from __future__ import annotations

import pytest
import torch

from stackgan_cli.errors import SettingsError
from stackgan_cli.objectives.augmentation import Augmentation


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_shifts_move_what_is_there_and_let_gray_in() -> None:
    images = torch.arange(1, 65).float().view(1, 1, 8, 8).expand(3, 3, 8, 8)
    moved, _ = Augmentation(translation=0.25, cutout=0).augment(images, None, draw())
    for picture in moved:
        inside = picture[0][picture[0] != 0]
        assert 36 <= len(inside) <= 64
        # Neighbours stay neighbours.
        rows = (picture[0] != 0).sum(0).max()
        assert torch.equal(inside.view(rows, -1).diff(dim=1), torch.ones(rows, len(inside) // rows - 1))


def test_the_square_that_is_cut_out_has_the_size_asked_for_at_most() -> None:
    images = torch.ones(64, 3, 32, 32)
    cut, _ = Augmentation(translation=0, cutout=0.5).augment(images, None, draw())
    covered = (cut[:, 0] == 0).flatten(1).sum(1)
    assert covered.max() == 16 * 16
    assert covered.min() >= 8 * 8


def test_the_sketch_changes_as_its_picture_does() -> None:
    images = torch.rand(4, 3, 64, 64) + 0.5
    small = images[..., ::4, ::4]
    changed, sketch = Augmentation(translation=0.25, cutout=0.25).augment(images, small, draw(2))
    assert sketch is not None
    gray, gray_in_sketch = changed[:, 0, 2::4, 2::4] == 0, sketch[:, 0] == 0
    assert (gray == gray_in_sketch).float().mean() > 0.9
    assert 0.05 < gray.float().mean() < 0.6


def test_gradients_flow_to_what_is_left() -> None:
    images = torch.rand(2, 3, 16, 16, requires_grad=True)
    Augmentation().augment(images, None, draw())[0].sum().backward()
    assert images.grad is not None
    assert set(images.grad.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("options", [{"translation": 1.0}, {"cutout": -0.1}])
def test_shares_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        Augmentation(**options)
