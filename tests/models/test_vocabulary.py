from __future__ import annotations

import unicodedata
from pathlib import Path

from stackgan_cli.models.vocabulary import read_vocabulary, unknown_words, write_vocabulary


def test_a_word_is_known_however_its_accents_are_written(tmp_path: Path) -> None:
    composed = "ein großer Vögel über dem Café"
    decomposed = unicodedata.normalize("NFD", composed)
    for met, typed in ((composed, decomposed), (decomposed, composed)):
        write_vocabulary(tmp_path, [[met]])
        known = read_vocabulary(tmp_path)
        assert known is not None
        assert unknown_words(f"{typed} mit Ente", known) == ["mit", "ente"]
