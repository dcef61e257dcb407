"""Checks that all things with weights share: equal seeds, fitting, saving and loading, gradients."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from stackgan_cli.components import fitting
from stackgan_cli.components.conformance.samples import SampleData, drawn
from stackgan_cli.components.conformance.subject import TOLERANCE, Notebook, Subject, require, seeded
from stackgan_cli.components.protocols import Fits
from stackgan_cli.components.storage import load_weights

Result = TypeVar("Result")


def same(one: Tensor, other: Tensor, otherwise: str, tolerance: float = TOLERANCE) -> None:
    """Require two results to agree within ``tolerance``, absolutely and relatively."""
    require(one.shape == other.shape, f"{otherwise}: {tuple(one.shape)} and {tuple(other.shape)}")
    if one.numel():
        off = (one.float() - other.float()).abs().max().item()
        scale = max(1.0, one.float().abs().max().item())
        require(off <= tolerance * scale, f"{otherwise}: they differ by {off:.2g}")


def finite(tensors: Iterable[Tensor], what: str) -> None:
    """Require every number to be finite."""
    require(all(bool(torch.isfinite(each).all()) for each in tensors), f"{what} holds NaN or infinity")


def shaken(subject: Subject) -> Any:
    """Build a network whose weights are off their start, where some layers are zero on purpose and pass nothing on."""
    network = subject.build().eval()
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            parameter.add_(0.05 * drawn(index, *parameter.shape))
    return network


def run_twice(run: Callable[[], Result], instead: str) -> tuple[Result, Result]:
    """Run something under two seeds of torch's default generator, which it is to leave alone.

    Args:
        run: what to run.
        instead: where it should draw from.
    """

    def once(seed: int) -> Result:
        with seeded(seed):
            before = torch.random.get_rng_state()
            found = run()
            untouched = torch.equal(before, torch.random.get_rng_state())
        require(untouched, f"it draws from torch's default generator; {instead}")
        return found

    return once(1), once(2)


def check_weights(notebook: Notebook, subject: Subject, component: Any, run: Callable[[Any], Tensor]) -> None:
    """Check what is learnt, saved and loaded, of a component that has or learns something.

    Args:
        notebook: where to write.
        subject: what to build others from.
        component: one that was built, in evaluation mode.
        run: computes a result of such a one.
    """
    is_module = isinstance(component, nn.Module)
    if is_module:
        notebook.run("equal seeds, equal weights", lambda: _check_seed(subject))
    if isinstance(component, Fits):
        notebook.run("fits under a seed", lambda: _check_fit(subject, run))
    elif is_module:
        notebook.run("saves and loads", lambda: _check_round_trip(subject, component, run))


def fit(component: Any, subject: Subject) -> dict[str, float]:
    """Fit a component to the sample data and check what it returns and reports."""
    reports: list[tuple[int, int, str]] = []
    measured = fitting.fit(
        component, subject.described, SampleData(subject.host), seed=3, report=lambda *told: reports.append(told)
    )
    wrong = [name for name, value in measured.items() if not isinstance(name, str) or type(value) not in (int, float)]
    require(not wrong, f"fit measures {wrong[:2]}, which is no number by name")
    for done, total, words in reports:
        fine = isinstance(done, int) and isinstance(total, int) and 0 <= done <= total and isinstance(words, str)
        require(fine, f"fit reports {(done, total, words)!r}; it should be done, total, words")
    return measured


def check_gradients(module: nn.Module, loss: Tensor) -> str:
    """Every parameter that wants a gradient gets a finite one, and some of them are not zero."""
    wanting = {name: each for name, each in module.named_parameters() if each.requires_grad}
    require(bool(wanting), "it has no parameter that learns")
    gradients = torch.autograd.grad(loss, list(wanting.values()), allow_unused=True)
    unreached = [name for name, gradient in zip(wanting, gradients, strict=True) if gradient is None]
    require(not unreached, f"no gradient reaches {len(unreached)} parameters ({', '.join(unreached[:3])})")
    reached = [gradient for gradient in gradients if gradient is not None]
    finite(reached, "a gradient")
    require(any(bool(each.any()) for each in reached), "every gradient is zero")
    return f"{sum(each.numel() for each in wanting.values()):,} parameters"


def _check_seed(subject: Subject) -> None:
    """Two components built under one seed have equal weights."""
    one, other = subject.build(seed=5).state_dict(), subject.build(seed=5).state_dict()
    require(one.keys() == other.keys(), "building twice gives different weight names")
    for key, value in one.items():
        untouched = torch.equal(value, other[key])
        require(untouched, f"built twice under one seed, {key} differs; initialise from torch's generator")


def _check_fit(subject: Subject, run: Callable[[Any], Tensor]) -> str:
    """Fitting repeats itself under a seed, and what was learnt survives saving and loading."""
    results = []
    fitted: Any = None
    measured: dict[str, float] = {}
    for noise in (1, 2):
        fitted = subject.build(seed=9)
        is_module = isinstance(fitted, nn.Module)
        require(is_module, "what it learns cannot be saved: a component with fit is a torch.nn.Module")
        with seeded(noise):
            measured = fit(fitted, subject)
        results.append(run(fitted.eval()))
    one, other = results
    same(one, other, "fitting twice with one seed gives different results; draw from torch's generators")
    options = {**subject.options, **fitting.learnt_options(fitted)}
    _check_round_trip(replace(subject, options=options), fitted, run)
    return ", ".join(f"{name}={value:.3g}" for name, value in measured.items())


def _check_round_trip(subject: Subject, trained: nn.Module, run: Callable[[Any], Tensor]) -> str:
    """Weights written as safetensors and read into a newly built component give the same results."""
    weights = trained.eval().state_dict()
    odd = [key for key, value in weights.items() if not isinstance(value, Tensor)]
    require(not odd, f"{', '.join(odd[:3])} in state_dict is no tensor, and safetensors hold tensors alone")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_file({key: value.detach().clone().contiguous() for key, value in weights.items()}, path)
        again = subject.build(seed=77)
        load_weights(again, load_file(path), what="The saved copy")
    one, other = run(trained), run(again.eval())
    same(one, other, "the saved and loaded copy gives another result; keep all state in state_dict")
    return f"{len(weights)} tensors"
