"""Checks of generators and discriminators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stackgan_cli.components.component import Kind
from stackgan_cli.components.conformance.modules import check_gradients, check_round_trip, check_seed, finite, same
from stackgan_cli.components.conformance.subject import Notebook, Subject, UnmetError, require, seeded
from stackgan_cli.components.protocols import Generated, Judgement, TextFeatures

BATCH = 4


def _drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def sample_text(width: int, seed: int = 1, *, words: bool = False) -> TextFeatures:
    """Text features of ``BATCH`` captions; with ``words``, the last two of the seven words are padding."""
    sentence = _drawn(seed, BATCH, width)
    if not words:
        return TextFeatures(sentence)
    padding = torch.zeros(BATCH, 7, dtype=torch.bool)
    padding[:, 5:] = True
    return TextFeatures(sentence, _drawn(seed + 1, BATCH, 7, width), padding)


def _rows(text: TextFeatures, rows: slice) -> TextFeatures:
    return TextFeatures(text.sentence[rows])


def _shaken(subject: Subject) -> Any:
    """Build a network whose weights are off their start, where some layers are zero on purpose and pass nothing on."""
    network = subject.build().eval()
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            parameter.add_(0.05 * _drawn(index, *parameter.shape))
    return network


class _GeneratorRun:
    """One generator and the inputs that fit it."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.second_stage = subject.kind is Kind.STAGE2_GENERATOR
        self.network: Any = subject.build()
        self.text = sample_text(int(str(subject.host["text_width"])))

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
        self.noise = _drawn(2, BATCH, network.noise_width)
        size = getattr(network, "input_resolution", 8)
        self.images = _drawn(3, BATCH, 3, size, size).tanh()
        return ", ".join(f"{name}={getattr(network, name)}" for name in sizes)

    def __call__(
        self,
        network: Any = None,
        *,
        text: TextFeatures | None = None,
        noise: Tensor | None = None,
        rows: slice = slice(None),
    ) -> Generated:
        chosen = (self.noise if noise is None else noise)[rows]
        words = _rows(self.text, rows) if text is None else text
        pictures = (self.images[rows],) if self.second_stage else ()
        result = (network or self.network)(*pictures, chosen, words)
        require(isinstance(result, Generated), f"it returns {type(result).__name__} instead of Generated")
        generated: Generated = result
        return generated

    def shapes(self) -> str:
        inputs = [self.noise.clone(), self.text.sentence.clone(), self.images.clone()]
        result, size = self(), self.network.resolution
        require(
            tuple(result.images.shape) == (BATCH, 3, size, size),
            f"images have the shape {tuple(result.images.shape)} instead of {(BATCH, 3, size, size)}",
        )
        if result.kl is not None:
            require(tuple(result.kl.shape) == (BATCH,), f"kl has the shape {tuple(result.kl.shape)}, not ({BATCH},)")
            require(bool((result.kl >= -1e-4).all()), "kl is negative, which no divergence is")
        if result.condition is not None:
            shape = tuple(result.condition.shape)
            require(len(shape) == 2 and shape[0] == BATCH, f"condition has the shape {shape}")
        for before, after in zip(inputs, (self.noise, self.text.sentence, self.images), strict=True):
            require(torch.equal(before, after), "it changes its arguments in place")
        return f"images {tuple(result.images.shape)}"

    def numbers(self) -> str:
        result = self()
        present = [each for each in (result.images, result.kl, result.condition) if each is not None]
        finite(present, "the result")
        require(all(each.dtype is torch.float32 for each in present), "float32 in should give float32 out")
        low, high = result.images.min().item(), result.images.max().item()
        require(low >= -1 and high <= 1, f"images reach from {low:.3g} to {high:.3g}, outside [-1, 1]")
        return f"images from {low:.2f} to {high:.2f}"

    def bfloat16(self) -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            result = self()
        finite([each for each in (result.images, result.kl) if each is not None], "the result under bfloat16 autocast")

    def gradients(self) -> str:
        result = self()
        loss = (result.images * _drawn(4, *result.images.shape)).sum()
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

    def heed(self) -> None:
        shaken = _shaken(self.subject)
        with torch.no_grad():
            images = self(shaken).images
            other_text = self(shaken, text=sample_text(self.text.sentence.shape[1], seed=11)).images
            require(not torch.equal(images, other_text), "another sentence gives the same images")
            if self.network.noise_width:
                other_noise = self(shaken, noise=_drawn(12, *self.noise.shape)).images
                require(not torch.equal(images, other_noise), "other noise gives the same images")

    def rows_alone(self) -> None:
        with torch.no_grad():
            whole = self().images
            for row in range(2):
                alone = self(rows=slice(row, row + 1)).images
                same(whole[row : row + 1], alone, "a picture depends on the others in its batch (evaluation mode)")

    def words_allowed(self) -> None:
        with torch.no_grad():
            self(text=sample_text(self.text.sentence.shape[1], words=True))


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
        _run(notebook, name, check)
    run.network.eval()
    _run(notebook, "heeds text and noise", run.heed)
    _run(notebook, "rows are independent", run.rows_alone)
    _run(notebook, "takes word vectors too", run.words_allowed)
    _run(notebook, "equal seeds, equal weights", lambda: check_seed(subject))
    _run(
        notebook,
        "saves and loads",
        lambda: check_round_trip(subject, run.network, torch.no_grad()(lambda network: run(network).images)),
    )


class _DiscriminatorRun:
    """One discriminator and the inputs that fit it."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.network: Any = subject.build()
        width, size = int(str(subject.host["text_width"])), int(str(subject.host["resolution"]))
        self.texts = [sample_text(width, seed) for seed in (1, 11)]
        self.images = _drawn(3, BATCH, 3, size, size).tanh()
        self.given: Tensor | None = None

    def prepare(self) -> str:
        """See that it is a module, and whether it needs the Stage-I picture."""
        require(isinstance(self.network, nn.Module), "it is no torch.nn.Module, so it cannot be trained or saved")
        try:
            self()
        except UnmetError:
            raise
        except Exception:
            size = max(self.images.shape[-1] // 4, 1)
            self.given = _drawn(4, BATCH, 3, size, size).tanh()
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
        wanted = self.texts if texts is None else texts
        result = (network or self.network)(pictures, wanted, given)
        require(isinstance(result, Sequence), f"it returns {type(result).__name__} instead of a list of judgements")
        require(
            all(isinstance(each, Judgement) for each in result), "it returns a list of something else than Judgement"
        )
        require(len(result) == len(wanted), f"it returns {len(result)} judgements for {len(wanted)} texts")
        judgements: Sequence[Judgement] = result
        return judgements

    def shapes(self) -> str:
        before = self.images.clone()
        for each in self():
            require(tuple(each.matching.shape) == (BATCH,), f"matching has the shape {tuple(each.matching.shape)}")
            if each.realism is not None:
                require(tuple(each.realism.shape) == (BATCH,), f"realism has the shape {tuple(each.realism.shape)}")
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

    def repeats(self) -> None:
        with torch.no_grad():
            same(_logits(self()), _logits(self()), "in evaluation mode, equal arguments give different logits", 1e-6)

    def heed(self) -> None:
        with torch.no_grad():
            one, other = self(_shaken(self.subject))
            require(not torch.equal(one.matching, other.matching), "another sentence gives the same logits")

    def texts_apart(self) -> None:
        with torch.no_grad():
            together = self()
            for text, judged in zip(self.texts, together, strict=True):
                same(
                    judged.matching,
                    self(texts=[text])[0].matching,
                    "a judgement depends on the other texts of the call",
                )

    def rows_alone(self) -> None:
        with torch.no_grad():
            whole = self()[0].matching
            for row in range(2):
                rows = slice(row, row + 1)
                alone = self(rows=rows, texts=[_rows(self.texts[0], rows)])[0].matching
                same(whole[rows], alone, "a judgement depends on the other pictures of its batch (evaluation mode)")


def check_discriminator(notebook: Notebook, subject: Subject) -> None:
    """Check a discriminator."""
    run = _DiscriminatorRun(subject)
    if not notebook.run("module", run.prepare) or not notebook.run("shapes", run.shapes):
        return
    run.network.train()
    _run(notebook, "finite float32", run.numbers)
    _run(notebook, "finite under bfloat16", run.bfloat16)
    _run(notebook, "gradients reach all parameters", run.gradients)
    run.network.eval()
    _run(notebook, "a function of its arguments", run.repeats)
    _run(notebook, "heeds the text", run.heed)
    _run(notebook, "texts are independent", run.texts_apart)
    _run(notebook, "rows are independent", run.rows_alone)
    _run(notebook, "equal seeds, equal weights", lambda: check_seed(subject))
    _run(
        notebook,
        "saves and loads",
        lambda: check_round_trip(subject, run.network, torch.no_grad()(lambda network: _logits(run(network)))),
    )


def _logits(judgements: Sequence[Judgement]) -> Tensor:
    present = [each for judgement in judgements for each in (judgement.matching, judgement.realism) if each is not None]
    return torch.stack(present)


def _run(notebook: Notebook, name: str, check: Callable[[], str | None]) -> None:
    with seeded(3):
        notebook.run(name, check)
