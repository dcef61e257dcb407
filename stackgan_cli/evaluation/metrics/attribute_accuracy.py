"""How often a classifier sees on a picture what its caption states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackgan_cli.evaluation.metrics.shares import share

if TYPE_CHECKING:
    from stackgan_cli.components.protocols import Observation, Texts


class AttributeAccuracy:
    """Share of pictures on which every attribute that the caption states is seen.

    Its parts are single attributes and, where it is known what training pictures show, ``values_seen_together`` and
    ``values_never_together``: again every attribute that a caption states, of those captions whose values training
    pictures show in pairs, and of the others.
    """

    title = "all stated attributes right"
    better = "higher"
    needs = frozenset({"attributes", "stated"})

    def measure(self, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int) -> dict[str, Any]:
        """Count; pictures whose captions state nothing that the extractor reads do not."""
        assert drawn.attributes is not None
        assert texts is not None
        assert texts.truth is not None
        assert texts.stated is not None
        hits: dict[str, list[bool]] = {name: [] for name in drawn.attributes}
        whole: list[bool] = []
        together: dict[str, list[bool]] = {"values_seen_together": [], "values_never_together": []}
        for at, (truth, names) in enumerate(zip(texts.truth, texts.stated, strict=True)):
            read = [name for name in names if name in drawn.attributes and name in truth]
            right = {name: drawn.attributes[name][at] == truth[name] for name in read}
            for name, hit in right.items():
                hits[name].append(hit)
            if right:
                whole.append(all(right.values()))
                if texts.novel is not None:
                    together["values_never_together" if texts.novel[at] else "values_seen_together"].append(whole[-1])
        if not whole:
            return {"reason": "no caption states an attribute that the extractor reads"}
        parts = {name: share(sum(of), len(of)) for name, of in {**hits, **together}.items() if of}
        return {**share(sum(whole), len(whole)), "parts": parts}
