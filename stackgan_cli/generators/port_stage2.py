"""The Stage-II generator of the authors' PyTorch port (model.py, STAGE2_G), whose checkpoints it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackgan_cli.generators.layers import ConditioningAugmentation, RefiningNetwork
from stackgan_cli.generators.published import UP_BLOCKS, Rules, renamed, shape, split_stages, up_blocks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

NAME = "The port's Stage-II generator"

RULES: Rules = (
    (r"ca_net\.fc\.", r"augmentation.linear."),
    (r"encoder\.", r"encoder."),
    (r"hr_joint\.", r"joint."),
    (r"residual\.", r"residual."),
    *UP_BLOCKS,
    (r"img\.0\.", r"output."),
)


class PortStage2(RefiningNetwork):
    """Refines a Stage-I picture, as the paper's network does but for conditioning augmentation, widths and beginning.

    The Stage-I generator that published checkpoints hold inside is none of this network's business: see
    :meth:`stackgan_cli.generators.port_stage1.PortStage1.from_published`.

    Args:
        text_width: width of the sentence vector.
        resolution: side of the refined picture in pixels: ``input_resolution`` times 1, 2, 4, ...
        input_resolution: side of the Stage-I picture in pixels: 8, 16, 32, 64, ...
        channels: the port's GF_DIM.
        condition_width: the port's CONDITION_DIM; the noise is as wide.
        residual_blocks: the port's R_NUM, 2 in its configurations for COCO.

    Raises:
        SettingsError: sizes that the layers cannot have.
    """

    def __init__(
        self,
        *,
        text_width: int,
        resolution: int = 256,
        input_resolution: int = 64,
        channels: int = 192,
        condition_width: int = 128,
        residual_blocks: int = 2,
    ) -> None:
        super().__init__(
            NAME,
            text_width=text_width,
            resolution=resolution,
            input_resolution=input_resolution,
            channels=channels,
            condition_width=condition_width,
            residual_blocks=residual_blocks,
        )
        self.condition_width = condition_width
        self.augmentation = ConditioningAugmentation(
            text_width, condition_width, negative_slope=0.0, log_variance=True, truncated=False
        )
        self.initialise(truncated=False)

    @staticmethod
    def from_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the weights of a published Stage-II generator to ours, leaving out the Stage-I generator inside it.

        Args:
            state_dict: a ``netG_epoch_N.pth`` of Stage-II, with or without a leading ``module.``.

        Raises:
            ModelError: a weight that this network does not have.
        """
        return renamed(split_stages(state_dict)[1], RULES, what=NAME)

    @staticmethod
    def published_options(state_dict: Mapping[str, Tensor]) -> dict[str, int]:
        """Read the options of a published Stage-II generator, ``text_width`` among them, off the shapes of its weights.

        Raises:
            ModelError: a weight that the shapes are read from is missing.
        """
        weights = PortStage2.from_published(state_dict)
        stage1, rest = split_stages(state_dict)
        side = 4 * 2 ** up_blocks(stage1)
        double_condition, text_width = shape(weights, "augmentation.linear.weight", 2, NAME)
        return {
            "text_width": text_width,
            "channels": shape(weights, "encoder.0.weight", 4, NAME)[0],
            "condition_width": double_condition // 2,
            "resolution": side // 4 * 2 ** up_blocks(rest),
            "input_resolution": side,
            "residual_blocks": len({name.split(".")[1] for name in weights if name.startswith("residual.")}),
        }
