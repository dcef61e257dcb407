"""Checks of discriminators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stackgan_cli.components.conformance.modules import (
    check_gradients,
    check_round_trip,
    check_seed,
    finite,
    same,
    shaken,
)
from stackgan_cli.components.conformance.samples import (
    drawn_pictures,
    other_words,
    sample_text,
    some_rows,
)
from stackgan_cli.components.conformance.subject import Notebook, Subject, UnmetError, require
from stackgan_cli.components.protocols import Judgement, TextFeatures
from stackgan_cli.components.results import judgements_fault


class _DiscriminatorRun:
    """One discriminator and the inputs that fit it."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.network: Any = subject.build()
        self.texts = [sample_text(subject.host, seed, words=subject.reads_words) for seed in (1, 11)]
        self.images = drawn_pictures(3, subject.host["resolution"])
        self.given: Tensor | None = None

    def prepare(self) -> str:
        """See that it is a module, and whether it needs the Stage-I picture."""
        require(isinstance(self.network, nn.Module), "it is no torch.nn.Module, so it cannot be trained or saved")
        try:
            self()
        except UnmetError:
            raise
        except Exception:
            self.given = drawn_pictures(4, max(self.images.shape[-1] // 4, 1))
            self()
            return "it looks at the Stage-I picture"
        return ""

    def __call__(
        self,
        network: Any = None,
        *,
        images: Tensor | None = None,
        texts: Sequence[TextFeatures] | None = None,
        rows: slice = slice(None),
    ) -> Sequence[Judgement]:
        pictures = (self.images if images is None else images)[rows]
        given = self.given[rows] if self.given is not None else None
        wanted = [some_rows(text, rows) for text in texts or self.texts]
        result: Sequence[Judgement] = (network or self.network)(pictures, wanted, given)
        fault = judgements_fault(result, len(wanted), len(pictures))
        require(fault is None, f"it {fault}")
        return result

    def shapes(self) -> str:
        before = self.images.clone()
        self()
        require(torch.equal(before, self.images), "it changes its arguments in place")
        return "matching and realism" if self()[0].realism is not None else "matching"

    def numbers(self) -> None:
        logits = _logits(self())
        finite([logits], "the result")
        require(logits.dtype is torch.float32, "float32 in should give float32 out")

    def bfloat16(self) -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = _logits(self())
        finite([logits], "the result under bfloat16 autocast")

    def gradients(self) -> str:
        remark = check_gradients(self.network, _logits(self()).sum())
        images = self.images.clone().requires_grad_()
        gradient = torch.autograd.grad(_logits(self(images=images)).sum(), images, allow_unused=True)[0]
        require(
            gradient is not None and bool(gradient.any()), "no gradient reaches the pictures, so no generator learns"
        )
        return remark

    @torch.no_grad()
    def repeats(self) -> None:
        same(_logits(self()), _logits(self()), "in evaluation mode, equal arguments give different logits", 1e-6)

    @torch.no_grad()
    def heed(self) -> None:
        text, other = self.texts
        sentence = TextFeatures(other.sentence, text.words, text.padding)
        network = shaken(self.subject)
        one, two = self(network, texts=[text, sentence])
        require(not torch.equal(one.matching, two.matching), "another sentence gives the same logits")
        if text.words is None:
            return
        changed = [other_words(text, padded=padded) for padded in (False, True)]
        words, padded = (each.matching for each in self(network, texts=changed))
        require(not torch.equal(one.matching, words), "it asks for word_width, and other words give the same logits")
        same(one.matching, padded, "what stands where padding is True, and so is no word, changes the logits")

    @torch.no_grad()
    def texts_apart(self) -> None:
        for text, judged in zip(self.texts, self(), strict=True):
            alone = self(texts=[text])[0].matching
            same(judged.matching, alone, "a judgement depends on the other texts of the call")

    @torch.no_grad()
    def rows_alone(self) -> None:
        whole = self()[0].matching
        for row in range(2):
            rows = slice(row, row + 1)
            alone = self(rows=rows)[0].matching
            same(whole[rows], alone, "a judgement depends on the other pictures of its batch (evaluation mode)")

    @torch.no_grad()
    def words_allowed(self) -> None:
        self(texts=[sample_text(self.subject.host, words=True)])

    @torch.no_grad()
    def words_left_out(self) -> None:
        subject = self.subject.without_words()
        self(subject.build().eval(), texts=[sample_text(subject.host, words=False)])


def check_discriminator(notebook: Notebook, subject: Subject) -> None:
    """Check a discriminator."""
    run = _DiscriminatorRun(subject)
    if not notebook.run("module", run.prepare) or not notebook.run("shapes", run.shapes):
        return
    run.network.train()
    notebook.run("finite float32", run.numbers)
    notebook.run("finite under bfloat16", run.bfloat16)
    notebook.run("gradients reach all parameters", run.gradients)
    run.network.eval()
    notebook.run("a function of its arguments", run.repeats)
    notebook.run("heeds the text", run.heed)
    notebook.run("texts are independent", run.texts_apart)
    notebook.run("rows are independent", run.rows_alone)
    if not subject.reads_words:
        notebook.run("takes word vectors too", run.words_allowed)
    elif subject.words_may_lack:
        notebook.run("takes sentences alone too", run.words_left_out)
    notebook.run("equal seeds, equal weights", lambda: check_seed(subject))
    logits = torch.no_grad()(lambda network: _logits(run(network)))
    notebook.run("saves and loads", lambda: check_round_trip(subject, run.network, logits))


def _logits(judgements: Sequence[Judgement]) -> Tensor:
    present = [each for judgement in judgements for each in (judgement.matching, judgement.realism) if each is not None]
    return torch.stack(present)
