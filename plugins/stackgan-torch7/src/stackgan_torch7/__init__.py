"""A dataset reader for the Torch-7 tables that GAN-INT-CLS was trained on."""

from stackgan_torch7.reader import Torch7Reader

__all__ = ["Torch7Reader"]
