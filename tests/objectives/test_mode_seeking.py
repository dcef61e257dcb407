from __future__ import annotations

import torch

from stackgan_cli.components.conformance.update import SmallStage
from stackgan_cli.objectives.mode_seeking import ModeSeeking


def apart(stage: SmallStage) -> float:
    """How far pictures of the same conditions are from one another."""
    with torch.no_grad():
        one, other = (stage.vary(purpose).images for purpose in ("one", "other"))
    return float((one - other).abs().mean())


def test_a_generator_learns_to_heed_its_noise() -> None:
    stage = SmallStage({"text_width": 24, "word_width": 18, "resolution": 16}, second=False)
    with torch.no_grad():
        stage.generator.start.weight.mul_(0.05)
    before = apart(stage)
    optimizer = torch.optim.Adam(stage.generator.parameters(), 0.02)
    for _ in range(20):
        (loss,) = ModeSeeking().generator_terms(stage.generator_half()).values()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    assert apart(stage) > 3 * before


def test_a_generator_that_has_no_noise_loses_no_step() -> None:
    stage = SmallStage({"text_width": 24, "word_width": 18, "resolution": 16}, second=False)
    with torch.no_grad():
        stage.generator.start.weight.zero_()
    (loss,) = ModeSeeking().generator_terms(stage.generator_half()).values()
    torch.autograd.backward(loss)
    assert loss.isfinite()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in stage.generator.parameters())
