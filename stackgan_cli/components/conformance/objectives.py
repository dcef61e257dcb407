"""Checks of objectives."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from stackgan_cli.components.conformance.modules import check_weights, finite, fit, run_twice, same
from stackgan_cli.components.conformance.samples import drawn_pictures
from stackgan_cli.components.conformance.subject import Notebook, Subject, accept, require
from stackgan_cli.components.conformance.update import SmallStage
from stackgan_cli.components.protocols import (
    Augments,
    DiscriminatorTerms,
    Fits,
    GeneratorTerms,
    WantsInputGradients,
)
from stackgan_cli.components.results import terms_fault

_ABILITIES = (GeneratorTerms, DiscriminatorTerms, Augments)


class _ObjectiveRun:
    """One objective, fitted where it learns from data, and a small stage to try it on."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.objective: Any = subject.build()

    def abilities(self) -> str:
        """See what it can do, and fit it where it learns."""
        able = [each.__name__ for each in _ABILITIES if isinstance(self.objective, each)]
        names = "generator_terms, discriminator_terms or augment"
        require(bool(able), f"it can do nothing: it has none of {names}")
        if isinstance(self.objective, WantsInputGradients):
            wants = self.objective.input_gradients
            require(isinstance(wants, bool), f"input_gradients is {wants!r}; it should be true or false")
        if isinstance(self.objective, Fits):
            fit(self.objective, self.subject)
        return ", ".join(able)

    def generator_terms(self) -> str:
        """Look at the generator's terms in both stages."""
        terms: dict[str, Tensor] = {}
        for stage in self._stages():
            found = self._terms(self.objective.generator_terms(stage.generator_half()))
            for name, term in found.items():
                _reaches(term, stage.generator.parameters(), f"{name or 'its term'} reaches no generator")
            terms |= found
        require(bool(terms), "it gives no term in either stage")
        return _named(terms)

    def discriminator_terms(self) -> str:
        """Look at the discriminators' terms, and at the weights of its own that learn from them."""
        terms: dict[str, Tensor] = {}
        own = _learning(self.objective)
        unreached = set(own)
        for stage, found in self._discriminator_terms(self.objective):
            for name, term in found.items():
                what = f"{name or 'its term'} reaches no weight of the discriminator, and none of its own"
                _reaches(term, [*stage.judging(), *own.values()], what)
                unreached -= _reached(term, own)
            terms |= found
        require(bool(terms), "it gives no term in either stage")
        rest = ", ".join(sorted(unreached)[:3])
        require(not rest, f"no term reaches {rest}: freeze what does not learn with requires_grad_(False)")
        return _named(terms)

    def own_weights(self) -> None:
        """Weights that learn need terms to learn from."""
        learning = ", ".join(list(_learning(self.objective))[:3])
        require(
            not learning or isinstance(self.objective, DiscriminatorTerms),
            f"{learning} should learn, and it has no discriminator_terms to learn from; freeze what does not learn",
        )

    def augments(self) -> str:
        """Change pictures alone, and beside sketches, for real and for generated ones."""
        side = self.subject.host["resolution"]
        for given in (None, drawn_pictures(4, max(side // 4, 1))):
            images = drawn_pictures(3, side).requires_grad_()
            changed, beside = self._augmented(self.objective, images, given)
            _alike(images, changed, "the pictures")
            require((beside is None) == (given is None), "sketches come back if, and only if, they were given")
            if given is not None and beside is not None:
                _alike(given, beside, "the sketches")
            require(changed.requires_grad, "no gradient passes through, so the generator learns nothing")
            (gradient,) = torch.autograd.grad(changed.square().sum(), images, allow_unused=True)
            require(gradient is not None and bool(gradient.any()), "no gradient passes through to the pictures")
        return f"pictures of {side} px"

    def repeats(self) -> None:
        """Equal updates give equal results, whatever torch's default generator does, which is left alone."""
        found = run_twice(lambda: self.results(self.objective), "draw from update.random or the one given")
        same(*found, "equal updates give different results", 1e-6)

    def bfloat16(self) -> None:
        """What it gives stays finite in half precision."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            finite([self.results(self.objective)], "the result under bfloat16 autocast")

    def results(self, objective: Any) -> Tensor:
        """All that an objective gives, as one row; what it remembers of it is forgotten."""
        objective = copy.deepcopy(objective)
        rows: list[Tensor] = []
        if isinstance(objective, GeneratorTerms):
            for stage in self._stages():
                rows += self._terms(objective.generator_terms(stage.generator_half())).values()
        if isinstance(objective, DiscriminatorTerms):
            for _, terms in self._discriminator_terms(objective):
                rows += terms.values()
        if isinstance(objective, Augments):
            rows.append(self._augmented(objective, drawn_pictures(3, self.subject.host["resolution"]), None)[0])
        return torch.cat([row.detach().float().flatten() for row in rows])

    def _stages(self) -> Iterator[SmallStage]:
        for second in (False, True):
            yield SmallStage(self.subject.host, second=second, words=self.subject.reads_words)

    def _discriminator_terms(self, objective: Any) -> Iterator[tuple[SmallStage, dict[str, Tensor]]]:
        wants = isinstance(objective, WantsInputGradients) and objective.input_gradients
        for stage in self._stages():
            for name in stage.discriminators:
                update = stage.discriminator_half(name, input_gradients=wants)
                yield stage, self._terms(objective.discriminator_terms(update))

    def _terms(self, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        accept(terms_fault(terms))
        for name, term in terms.items():
            finite([term], name or "its term")
        return dict(terms)

    def _augmented(self, objective: Any, images: Tensor, given: Tensor | None) -> tuple[Tensor, Tensor | None]:
        result = objective.augment(images, given, torch.Generator().manual_seed(6))
        pair = isinstance(result, tuple) and len(result) == 2
        require(pair, f"augment returns {type(result).__name__} instead of pictures and sketches")
        changed: tuple[Tensor, Tensor | None] = result
        return changed


def check_objective(notebook: Notebook, subject: Subject) -> None:
    """Check an objective by each of its abilities, in Stage-I and in Stage-II."""
    run = _ObjectiveRun(subject)
    if not notebook.run("has an ability", run.abilities):
        return
    checks: list[tuple[type, str, Callable[[], str | None]]] = [
        (GeneratorTerms, "terms of the generator", run.generator_terms),
        (DiscriminatorTerms, "terms of discriminators", run.discriminator_terms),
        (Augments, "changes pictures", run.augments),
    ]
    passed = [notebook.run(name, check) for ability, name, check in checks if isinstance(run.objective, ability)]
    if not all(passed):
        return
    notebook.run("equal updates, equal results", run.repeats)
    notebook.run("finite under bfloat16", run.bfloat16)
    if isinstance(run.objective, nn.Module):
        notebook.run("weights learn from something", run.own_weights)
    check_weights(notebook, subject, run.objective, run.results)


def _learning(objective: Any) -> dict[str, nn.Parameter]:
    if not isinstance(objective, nn.Module):
        return {}
    return {name: each for name, each in objective.named_parameters() if each.requires_grad}


def _reached(term: Tensor, weights: Mapping[str, Tensor]) -> set[str]:
    """Names of the weights that a gradient reaches."""
    if not term.requires_grad or not weights:
        return set()
    gradients = torch.autograd.grad(term, list(weights.values()), allow_unused=True, retain_graph=True)
    finite([gradient for gradient in gradients if gradient is not None], "a gradient")
    return {name for name, gradient in zip(weights, gradients, strict=True) if gradient is not None}


def _reaches(term: Tensor, weights: Iterable[Tensor], otherwise: str) -> None:
    wanting = {str(index): each for index, each in enumerate(weights) if each.requires_grad}
    require(bool(_reached(term, wanting)), f"the gradient of {otherwise}")


def _alike(before: Tensor, after: Tensor, what: str) -> None:
    shape, dtype = tuple(after.shape), after.dtype
    require(shape == tuple(before.shape), f"{what} have the shape {shape} instead of {tuple(before.shape)}")
    require(dtype is before.dtype, f"{what} are {dtype} instead of {before.dtype}")
    finite([after], f"what it made of {what}")


def _named(terms: Mapping[str, Tensor]) -> str:
    return ", ".join(f"{name or 'loss'}={term.item():.3g}" for name, term in terms.items())
