"""How near a picture lies to its caption, which is the CLIP score where the features are CLIP's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.nn.functional import cosine_similarity

if TYPE_CHECKING:
    from stackgan_cli.components.protocols import Observation, Texts


class CaptionSimilarity:
    """Mean over pictures of 100 max(cos, 0) between picture and caption (Hessel et al. 2021, torchmetrics' scale).

    Its deviation is the standard error over pictures. It says nothing by itself: what real pictures come to is the
    ceiling, and what shuffled captions come to the floor.
    """

    title = "caption similarity"
    better = "higher"
    needs = frozenset({"caption_features"})

    def measure(
        self,
        drawn: Observation,
        real: Observation | None,  # noqa: ARG002 - every metric is offered everything
        texts: Texts | None,
        seed: int,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Average; see :class:`~stackgan_cli.components.protocols.Metric`."""
        assert texts is not None
        assert texts.features is not None
        near = 100 * cosine_similarity(drawn.features.double(), texts.features.double()).clamp_min(0.0)
        if len(near) < 2:
            return {"reason": "one picture tells nothing of the others"}
        return {"value": float(near.mean()), "deviation": float(near.std() / len(near) ** 0.5)}
