"""Checks of generators of both stages and of discriminators."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stackgan_cli.components.component import Kind
from stackgan_cli.components.conformance.modules import check_gradients, check_weights, finite, same, shaken
from stackgan_cli.components.conformance.samples import (
    BATCH,
    drawn,
    drawn_pictures,
    other_words,
    sample_text,
    some_rows,
)
from stackgan_cli.components.conformance.subject import (
    Notebook,
    Subject,
    UnmetError,
    accept,
    require,
    seeded,
    whole_number,
)
from stackgan_cli.components.protocols import DrawsCondition, Generated, HasCondition, TextFeatures
from stackgan_cli.components.results import judgements_fault, pictures_fault, range_fault

NamedCheck = tuple[str, Callable[[], str | None]]


class _NetworkRun(ABC):
    """One network and the inputs that fit it."""

    one: str
    """What it makes of one picture."""
    modes: Sequence[bool]
    """Training, or evaluation: in which equal arguments must give equal results."""
    own_checks: Sequence[NamedCheck]
    """Checks in evaluation mode that this kind alone has."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.network: Any = subject.build()
        self.text = sample_text(subject.host, words=subject.reads_words)

    @abstractmethod
    def prepare(self) -> str:
        """See that it tells its sizes, and choose inputs of these sizes."""

    @abstractmethod
    def inputs(self) -> Iterable[Tensor | None]:
        """The tensors that it is given."""

    @abstractmethod
    def results(
        self, network: Any = None, *, text: TextFeatures | None = None, rows: slice = slice(None)
    ) -> list[Tensor]:
        """Run it, or another one, and return all tensors that it makes, the principal one first."""

    def is_module(self) -> str:
        require(isinstance(self.network, nn.Module), "it is no torch.nn.Module, so it cannot be trained or saved")
        return self.prepare()

    def shapes(self) -> str:
        inputs = [each for each in self.inputs() if each is not None]
        before = [each.clone() for each in inputs]
        shape = tuple(self.results()[0].shape)
        unchanged = all(torch.equal(one, other) for one, other in zip(before, inputs, strict=True))
        require(unchanged, "it changes its arguments in place")
        return str(shape)

    def numbers(self) -> str | None:
        results = self.results()
        finite(results, "the result")
        require(all(each.dtype is torch.float32 for each in results), "float32 in should give float32 out")
        return None

    def bfloat16(self) -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            finite(self.results(), "the result under bfloat16 autocast")

    def gradients(self) -> str:
        loss = torch.stack([(each * drawn(4, *each.shape)).sum() for each in self.results()]).sum()
        return check_gradients(self.network, loss)

    @torch.no_grad()
    def function_of_arguments(self) -> None:
        for train in self.modes:
            one, other = (self.result_under(seed, train=train) for seed in (1, 2))
            mode = "training" if train else "evaluation"
            differ = f"in {mode} mode, equal arguments give different results"
            same(one, other, f"{differ}; draw nothing, take it from noise", 1e-6)

    def result_under(self, seed: int, *, train: bool) -> Tensor:
        network = self.subject.build(seed=9).train(train)
        with seeded(seed):
            return self.results(network)[0]

    @torch.no_grad()
    def heeds_text(self) -> None:
        network, text = shaken(self.subject), self.text

        def made(text: TextFeatures) -> Tensor:
            return self.results(network, text=text)[0]

        before, other = made(text), sample_text(self.subject.host, seed=11, words=False)
        another = TextFeatures(other.sentence, text.words, text.padding)
        require(not torch.equal(before, made(another)), "another sentence gives the same result")
        if text.words is not None:
            unheeded = torch.equal(before, made(other_words(text, padded=False)))
            require(not unheeded, "it asks for word_width, and other words give the same result")
            padded = made(other_words(text, padded=True))
            same(before, padded, "what stands where padding is True, and so is no word, changes the result")

    @torch.no_grad()
    def rows_alone(self) -> None:
        whole = self.results()[0]
        for row in range(2):
            alone = self.results(rows=slice(row, row + 1))[0]
            same(whole[row : row + 1], alone, f"{self.one} depends on the others in its batch (evaluation mode)")

    @torch.no_grad()
    def words_allowed(self) -> None:
        self.results(text=sample_text(self.subject.host, words=True))

    @torch.no_grad()
    def words_left_out(self) -> None:
        subject = self.subject.without_words()
        self.results(subject.build().eval(), text=sample_text(subject.host, words=False))

    def check(self, notebook: Notebook) -> None:
        """Run every check; without a result of the right shape there is nothing more to ask."""
        if not notebook.run("module and sizes", self.is_module) or not notebook.run("shapes", self.shapes):
            return
        in_training: Sequence[NamedCheck] = (
            ("finite float32", self.numbers),
            ("finite under bfloat16", self.bfloat16),
            ("gradients reach all parameters", self.gradients),
            ("a function of its arguments", self.function_of_arguments),
        )
        for name, check in in_training:
            self.network.train()
            notebook.run(name, check)
        self.network.eval()
        notebook.run("heeds the text", self.heeds_text)
        for name, check in self.own_checks:
            notebook.run(name, check)
        notebook.run("rows are independent", self.rows_alone)
        if not self.subject.reads_words:
            notebook.run("takes word vectors too", self.words_allowed)
        elif self.subject.words_may_lack:
            notebook.run("takes sentences alone too", self.words_left_out)
        result = torch.no_grad()(lambda network: self.results(network)[0])
        check_weights(notebook, self.subject, self.network, result)


class _GeneratorRun(_NetworkRun):
    one = "a picture"
    modes = (False, True)

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self.second_stage = subject.kind is Kind.STAGE2_GENERATOR
        self.own_checks = (("kl and condition", self.distribution), ("heeds the noise", self.heeds_noise))

    def prepare(self) -> str:
        network, host = self.network, self.subject.host
        names = ["resolution", "noise_width"] + (["input_resolution"] if self.second_stage else [])
        sizes = {name: whole_number(network, name, least=0) for name in names}
        for name, value in sizes.items():
            require(host.get(name, value) == value, f"{name} is {value}, though the program asked for {host.get(name)}")
        self.noise = drawn(2, BATCH, network.noise_width)
        self.images = drawn_pictures(3, network.input_resolution if self.second_stage else 8)
        return ", ".join(f"{name}={value}" for name, value in sizes.items())

    def inputs(self) -> Iterable[Tensor | None]:
        return self.noise, self.images, self.text.sentence, self.text.words, self.text.padding

    def generated(
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
        accept(pictures_fault(result, (len(chosen), 3, self.network.resolution, self.network.resolution)))
        return result

    def results(
        self, network: Any = None, *, text: TextFeatures | None = None, rows: slice = slice(None)
    ) -> list[Tensor]:
        made = self.generated(network, text=text, rows=rows)
        return [each for each in (made.images, made.kl, made.condition) if each is not None]

    def numbers(self) -> str:
        super().numbers()
        images = self.results()[0]
        low, high = images.min().item(), images.max().item()
        accept(range_fault(low, high))
        return f"images from {low:.2f} to {high:.2f}"

    @torch.no_grad()
    def distribution(self) -> str:
        """``condition`` has the width that it should, and neither it nor ``kl`` depends on the draw."""
        network = shaken(self.subject)
        one, other = self.generated(network), self.generated(network, noise=drawn(12, *self.noise.shape))
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
        if isinstance(network, DrawsCondition):
            self._mean_is_drawn(network, network.condition_noise)
        return f"condition {shape}"

    def _mean_is_drawn(self, network: Any, columns: Any) -> None:
        """The columns said to draw the condition are there, and matter."""
        require(isinstance(columns, slice), f"condition_noise is {columns!r} instead of a slice")
        mean = self.noise.clone()
        require(mean[:, columns].numel() > 0, f"condition_noise is {columns}, which is no column of the noise")
        mean[:, columns] = 0.0
        one, other = self.generated(network).images, self.generated(network, noise=mean).images
        require(not torch.equal(one, other), "condition_noise names columns of the noise that change nothing")

    @torch.no_grad()
    def heeds_noise(self) -> None:
        network = shaken(self.subject)
        one, other = (self.generated(network, noise=drawn(seed, *self.noise.shape)) for seed in (2, 12))
        require(
            not self.noise.numel() or not torch.equal(one.images, other.images), "other noise gives the same images"
        )


class _DiscriminatorRun(_NetworkRun):
    one = "a judgement"
    modes = (False,)

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self.other = sample_text(subject.host, 11, words=subject.reads_words)
        self.images = drawn_pictures(3, subject.host["resolution"])
        self.given: Tensor | None = None
        self.own_checks = (("texts are independent", self.texts_apart),)

    def prepare(self) -> str:
        """See whether it needs the Stage-I picture."""
        try:
            self.results()
        except UnmetError:
            raise
        except Exception:
            self.given = drawn_pictures(4, max(self.images.shape[-1] // 4, 1))
            self.results()
            return "it looks at the Stage-I picture"
        return ""

    def inputs(self) -> Iterable[Tensor | None]:
        return self.images, self.given, self.text.sentence, self.text.words, self.text.padding

    def judged(
        self, texts: Sequence[TextFeatures], network: Any = None, *, images: Tensor | None = None, rows: slice
    ) -> list[Tensor]:
        pictures = (self.images if images is None else images)[rows]
        given = self.given[rows] if self.given is not None else None
        found = (network or self.network)(pictures, [some_rows(text, rows) for text in texts], given)
        accept(judgements_fault(found, len(texts), len(pictures)))
        return [logits for each in found for logits in (each.matching, each.realism) if logits is not None]

    def results(
        self, network: Any = None, *, text: TextFeatures | None = None, rows: slice = slice(None)
    ) -> list[Tensor]:
        return self.judged([text or self.text, self.other], network, rows=rows)

    def gradients(self) -> str:
        images = self.images.clone().requires_grad_()
        logits = torch.stack(self.judged([self.text], images=images, rows=slice(None)))
        (gradient,) = torch.autograd.grad(logits.sum(), images, allow_unused=True)
        reached = gradient is not None and bool(gradient.any())
        remark = super().gradients()
        require(reached, "no gradient reaches the pictures, so no generator learns")
        return remark

    @torch.no_grad()
    def texts_apart(self) -> None:
        together, alone = self.results()[0], self.judged([self.text], rows=slice(None))[0]
        same(together, alone, "a judgement depends on the other texts of the call")


def check_generator(notebook: Notebook, subject: Subject) -> None:
    """Check a Stage-I or Stage-II generator."""
    _GeneratorRun(subject).check(notebook)


def check_discriminator(notebook: Notebook, subject: Subject) -> None:
    """Check a discriminator."""
    _DiscriminatorRun(subject).check(notebook)
