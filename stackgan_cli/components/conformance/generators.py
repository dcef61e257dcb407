"""Checks of Stage-I and Stage-II generators."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from stackgan_cli.components.component import Kind
from stackgan_cli.components.conformance.modules import (
    check_gradients,
    check_round_trip,
    check_seed,
    finite,
    same,
    shaken,
)
from stackgan_cli.components.conformance.samples import (
    BATCH,
    drawn,
    drawn_pictures,
    other_words,
    sample_text,
    some_rows,
)
from stackgan_cli.components.conformance.subject import Notebook, Subject, require, seeded
from stackgan_cli.components.protocols import Generated, HasCondition, TextFeatures
from stackgan_cli.components.results import pictures_fault


class _GeneratorRun:
    """One generator and the inputs that fit it."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.second_stage = subject.kind is Kind.STAGE2_GENERATOR
        self.network: Any = subject.build()
        self.text = sample_text(subject.host, words=subject.reads_words)

    def prepare(self) -> str:
        """See that it is a module which tells its sizes, and draw inputs of these sizes."""
        network, host = self.network, self.subject.host
        require(isinstance(network, nn.Module), "it is no torch.nn.Module, so it cannot be trained or saved")
        sizes = ["resolution", "noise_width"] + (["input_resolution"] if self.second_stage else [])
        for name in sizes:
            value = getattr(network, name, None)
            require(type(value) is int and value >= 0, f"{name} should be a whole number, not {value!r}")
            if name in host:
                require(value == host[name], f"{name} is {value}, though the program asked for {host[name]}")
        self.noise = drawn(2, BATCH, network.noise_width)
        self.images = drawn_pictures(3, network.input_resolution if self.second_stage else 8)
        return ", ".join(f"{name}={getattr(network, name)}" for name in sizes)

    def __call__(
        self,
        network: Any = None,
        *,
        text: TextFeatures | None = None,
        noise: Tensor | None = None,
        rows: slice = slice(None),
    ) -> Generated:
        sketches = (self.images[rows],) if self.second_stage else ()
        chosen = (self.noise if noise is None else noise)[rows]
        result: Generated = (network or self.network)(*sketches, chosen, some_rows(text or self.text, rows))
        fault = pictures_fault(result, (len(chosen), 3, self.network.resolution, self.network.resolution))
        require(fault is None, f"it {fault}")
        return result

    def shapes(self) -> str:
        inputs = [self.noise, self.images, *_tensors(self.text)]
        before = [each.clone() for each in inputs]
        result = self()
        unchanged = all(torch.equal(one, other) for one, other in zip(before, inputs, strict=True))
        require(unchanged, "it changes its arguments in place")
        return f"images {tuple(result.images.shape)}"

    def distribution(self) -> str:
        """``kl`` and ``condition`` come together, with shapes of their own and without the draw."""
        network = shaken(self.subject)
        with torch.no_grad():
            one = self(network)
            other = self(network, noise=drawn(12, *self.noise.shape))
        width = network.condition_width if isinstance(network, HasCondition) else None
        if one.kl is None or one.condition is None or other.kl is None or other.condition is None:
            require(width is None, f"condition_width is {width!r}, but it gives no condition")
            return "neither"
        shape = tuple(one.condition.shape)
        require(len(shape) == 2 and shape[0] == BATCH, f"condition has the shape {shape}")
        require(width in (None, shape[1]), f"condition_width is {width!r}, but condition has the shape {shape}")
        require(bool((one.kl >= -1e-4).all()), "kl is negative, which no divergence is")
        mean = "condition is to be the mean of the distribution, not a draw from it"
        same(one.condition, other.condition, f"other noise gives another condition; {mean}")
        same(one.kl, other.kl, "other noise gives another kl; it depends on the distribution alone")
        return f"condition {shape}"

    def numbers(self) -> str:
        result = self()
        finite(_numbers(result), "the result")
        require(all(each.dtype is torch.float32 for each in _numbers(result)), "float32 in should give float32 out")
        low, high = result.images.min().item(), result.images.max().item()
        require(low >= -1 and high <= 1, f"images reach from {low:.3g} to {high:.3g}, outside [-1, 1]")
        return f"images from {low:.2f} to {high:.2f}"

    def bfloat16(self) -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            finite(_numbers(self()), "the result under bfloat16 autocast")

    def gradients(self) -> str:
        result = self()
        loss = (result.images * drawn(4, *result.images.shape)).sum()
        if result.kl is not None:
            loss = loss + result.kl.sum()
        return check_gradients(self.network, loss)

    def function_of_arguments(self) -> None:
        def run(seed: int, *, train: bool) -> Tensor:
            network = self.subject.build(seed=9).train(train)
            with seeded(seed), torch.no_grad():
                return self(network).images

        for train in (False, True):
            mode = "training" if train else "evaluation"
            same(
                run(1, train=train),
                run(2, train=train),
                f"in {mode} mode, equal arguments give different images; draw nothing, take it from noise",
                1e-6,
            )

    @torch.no_grad()
    def heed(self) -> None:
        network = shaken(self.subject)
        images = self(network).images

        def draws_the_same(**changed: Any) -> bool:
            return torch.equal(images, self(network, **changed).images)

        text = sample_text(self.subject.host, seed=11, words=False)
        other = TextFeatures(text.sentence, self.text.words, self.text.padding)
        require(not draws_the_same(text=other), "another sentence gives the same images")
        if self.network.noise_width:
            require(not draws_the_same(noise=drawn(12, *self.noise.shape)), "other noise gives the same images")
        if self.text.words is not None:
            others = other_words(self.text, padded=False)
            require(not draws_the_same(text=others), "it asks for word_width, and other words give the same images")
            same(
                images,
                self(network, text=other_words(self.text, padded=True)).images,
                "what stands where padding is True, and so is no word, changes the images",
            )

    @torch.no_grad()
    def rows_alone(self) -> None:
        whole = self().images
        for row in range(2):
            alone = self(rows=slice(row, row + 1)).images
            same(whole[row : row + 1], alone, "a picture depends on the others in its batch (evaluation mode)")

    @torch.no_grad()
    def words_allowed(self) -> None:
        self(text=sample_text(self.subject.host, words=True))

    @torch.no_grad()
    def words_left_out(self) -> None:
        subject = self.subject.without_words()
        self(subject.build().eval(), text=sample_text(subject.host, words=False))


def check_generator(notebook: Notebook, subject: Subject) -> None:
    """Check a Stage-I or Stage-II generator."""
    run = _GeneratorRun(subject)
    if not notebook.run("module and sizes", run.prepare) or not notebook.run("shapes", run.shapes):
        return
    for name, check in (
        ("finite float32 in [-1, 1]", run.numbers),
        ("finite under bfloat16", run.bfloat16),
        ("gradients reach all parameters", run.gradients),
        ("a function of its arguments", run.function_of_arguments),
    ):
        run.network.train()
        notebook.run(name, check)
    run.network.eval()
    notebook.run("kl and condition", run.distribution)
    notebook.run("heeds text and noise", run.heed)
    notebook.run("rows are independent", run.rows_alone)
    if not subject.reads_words:
        notebook.run("takes word vectors too", run.words_allowed)
    elif subject.words_may_lack:
        notebook.run("takes sentences alone too", run.words_left_out)
    notebook.run("equal seeds, equal weights", lambda: check_seed(subject))
    images = torch.no_grad()(lambda network: run(network).images)
    notebook.run("saves and loads", lambda: check_round_trip(subject, run.network, images))


def _numbers(result: Generated) -> list[Tensor]:
    return [each for each in (result.images, result.kl, result.condition) if each is not None]


def _tensors(text: TextFeatures) -> list[Tensor]:
    return [each for each in (text.sentence, text.words, text.padding) if each is not None]
