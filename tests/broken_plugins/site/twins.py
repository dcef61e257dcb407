"""One encoder that two packages offer under one name."""

from __future__ import annotations


class One:
    width = 1

    def __init__(self, *, size: int = 1) -> None:
        self.size = size


class Two:
    width = 2
