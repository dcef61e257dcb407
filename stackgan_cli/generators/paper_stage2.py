"""The Stage-II generator of the paper, as its TensorFlow code builds it (stageII/model.py)."""

from __future__ import annotations

from stackgan_cli.generators.layers import ConditioningAugmentation, RefiningNetwork


class PaperStage2(RefiningNetwork):
    """Refines a Stage-I picture: encodes it to a quarter of its size, joins a new condition, and builds it up again.

    From 64 to 256 pixels at the published widths: 512 channels at 16x16, four residual blocks, then 256, 128, 64 and 32
    channels at 32x32 to 256x256; 26.3 million parameters. There is no z; the noise is the epsilon of this stage's own
    conditioning augmentation.

    Args:
        text_width: width of the sentence vector.
        resolution: side of the refined picture in pixels: ``input_resolution`` times 1, 2, 4, ...
        input_resolution: side of the Stage-I picture in pixels: 8, 16, 32, 64, ...
        channels: the published GF_DIM.
        condition_width: width of the condition.
        residual_blocks: how many residual blocks refine the joined features.

    Raises:
        SettingsError: sizes that the layers cannot have.
    """

    def __init__(
        self,
        *,
        text_width: int,
        resolution: int = 256,
        input_resolution: int = 64,
        channels: int = 128,
        condition_width: int = 128,
        residual_blocks: int = 4,
    ) -> None:
        super().__init__(
            "The paper Stage-II generator",
            text_width=text_width,
            resolution=resolution,
            input_resolution=input_resolution,
            channels=channels,
            condition_width=condition_width,
            residual_blocks=residual_blocks,
        )
        self.augmentation = ConditioningAugmentation(
            text_width, condition_width, negative_slope=0.2, log_variance=False, truncated=True
        )
        self.initialise(truncated=True)
