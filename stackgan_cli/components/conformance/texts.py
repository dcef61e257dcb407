"""Checks of text encoders."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from stackgan_cli.components.component import cause_of
from stackgan_cli.components.conformance.modules import check_weights, finite, fit, same
from stackgan_cli.components.conformance.samples import CAPTIONS
from stackgan_cli.components.conformance.subject import Notebook, Subject, UnmetError, accept, require, whole_number
from stackgan_cli.components.protocols import CoversCaptions, Fits, StandsForFeatures
from stackgan_cli.components.results import text_fault
from stackgan_cli.errors import StackganError

_ODD_CAPTIONS = {
    "an empty caption": "",
    "a caption in another script": "ένα μικρό πουλί 鳥 🐦",
    "a caption of 5000 letters": "bird " * 1000,
    "line breaks": "a bird\non two\tlines",
}


class _EncoderRun:
    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.encoder: Any = subject.build()

    def prepare(self) -> str:
        """Fit an encoder that learns from the data, as it is before anybody asks it."""
        learns = isinstance(self.encoder, Fits)
        if learns:
            fit(self.encoder, self.subject)
        if isinstance(self.encoder, nn.Module):
            self.encoder.eval()
        return "fitted to sample data first" if learns else ""

    def sentences(self, encoder: Any = None) -> Tensor:
        with torch.no_grad():
            sentence: Tensor = (encoder or self.encoder).encode(list(CAPTIONS)).sentence
        return sentence

    def width(self) -> str:
        return f"width={whole_number(self.encoder, 'width')}"

    def shapes(self) -> str:
        features = self.encoder.encode(list(CAPTIONS))
        accept(text_fault(features, len(CAPTIONS), self.encoder.width))
        sentence, words = features.sentence, features.words
        require(sentence.dtype is torch.float32, f"sentence is {sentence.dtype}, not float32")
        described = f"sentence {tuple(sentence.shape)}"
        return described if words is None else f"{described}, words {tuple(words.shape)}"

    def repeats(self) -> None:
        same(self.sentences(), self.sentences(), "encoding twice gives different results", 1e-6)

    def rows_alone(self) -> None:
        whole = self.sentences()
        with torch.no_grad():
            for row, caption in enumerate(CAPTIONS):
                alone = self.encoder.encode([caption]).sentence
                same(whole[row : row + 1], alone, f"the result of {caption!r} depends on the captions beside it")
            mixed = self.encoder.encode([*CAPTIONS, _ODD_CAPTIONS["a caption of 5000 letters"]]).sentence
            same(whole, mixed[:-1], "a long caption in the batch changes the results of the others")

    def tells_apart(self) -> None:
        sentences = self.sentences()
        require(len(torch.unique(sentences, dim=0)) == len(CAPTIONS), "different captions get the same features")

    def odd_captions(self) -> str:
        for what, caption in _ODD_CAPTIONS.items():
            try:
                with torch.no_grad():
                    features = self.encoder.encode([caption])
            except Exception as error:
                raise UnmetError(f"with {what}, it raised {cause_of(error)}") from error
            finite([features.sentence], f"the result of {what}")
        return ", ".join(_ODD_CAPTIONS)

    def stands_for_features(self) -> str:
        name = self.encoder.source_features
        require(isinstance(name, str) and bool(name), f"source_features is {name!r}; it should be the name of features")
        try:
            self.encoder.encode(list(CAPTIONS))
        except StackganError as error:
            return f"captions are refused: {error.message}"
        raise UnmetError("it stands for features that the source holds, and encodes captions all the same")

    def coverage(self) -> None:
        for caption in (*CAPTIONS, *_ODD_CAPTIONS.values()):
            value = self.encoder.coverage(caption)
            require(isinstance(value, int | float) and 0 <= value <= 1, f"coverage({caption[:20]!r}) is {value!r}")


def check_text_encoder(notebook: Notebook, subject: Subject) -> None:
    """Check a text encoder, and its optional ``fit`` and ``coverage``."""
    run = _EncoderRun(subject)
    if not notebook.run("describes captions", run.prepare) or not notebook.run("width", run.width):
        return
    if isinstance(run.encoder, StandsForFeatures):
        notebook.run("stands for features", run.stands_for_features)
        return
    if not notebook.run("shapes, finite float32", run.shapes):
        return
    notebook.run("equal captions, equal features", run.repeats)
    notebook.run("captions are independent", run.rows_alone)
    notebook.run("tells captions apart", run.tells_apart)
    notebook.run("odd captions", run.odd_captions)
    if isinstance(run.encoder, CoversCaptions):
        notebook.run("coverage from 0 to 1", run.coverage)
    check_weights(notebook, subject, run.encoder, run.sentences)
    if not isinstance(run.encoder, nn.Module):
        notebook.run(
            "built again, the same",
            lambda: same(run.sentences(), run.sentences(subject.build(seed=8)), "built again, it encodes differently"),
        )
