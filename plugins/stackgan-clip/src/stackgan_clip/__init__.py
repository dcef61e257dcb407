"""CLIP for ``stackgan evaluate``."""

from stackgan_clip.extractor import ClipExtractor
from stackgan_clip.similarity import CaptionSimilarity

__all__ = ["CaptionSimilarity", "ClipExtractor"]
