"""Runs all checks that concern a kind of component."""

from __future__ import annotations

import inspect
import keyword
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from stackgan_cli.components.binding import HOST_GIVEN, Component, bind_factory, signature_of
from stackgan_cli.components.component import Kind, cause_of
from stackgan_cli.components.conformance.isolation import import_quietly, isolated
from stackgan_cli.components.conformance.samples import TEXT_WIDTH, WORD_WIDTH
from stackgan_cli.components.conformance.subject import Check, Notebook, Subject, UnmetError, require
from stackgan_cli.components.registry import find
from stackgan_cli.errors import ComponentError, MissingOptionError, StackganError

_NETWORK_SIZES = [{"resolution": side} for side in (32, 64, 128, 256)]
_SIZES: Mapping[Kind, Sequence[Mapping[str, int]]] = {
    Kind.STAGE1_GENERATOR: _NETWORK_SIZES[:2],
    Kind.STAGE2_GENERATOR: [
        {"input_resolution": 16, "resolution": 64},
        {"input_resolution": 32, "resolution": 128},
        {"input_resolution": 64, "resolution": 256},
    ],
    Kind.DISCRIMINATOR: _NETWORK_SIZES,
    Kind.OBJECTIVE: _NETWORK_SIZES,
}
"""Sizes to try, small ones first: a check takes the first that the factory accepts."""
_BRIEF: Mapping[str, int] = {"fit_steps": 3, "epochs": 1}
_SMALL: Mapping[str, int] = {"channels": 8, **_BRIEF}
"""What options of these names are set to, where a factory has them with a larger default and nobody sets them: networks
are checked narrow where they can be, and learn for a moment only."""


def check(
    kind: Kind,
    name_or_factory: str | Callable[..., Any],
    *,
    options: Mapping[str, object] | None = None,
    host: Mapping[str, object] | None = None,
    source: Path | None = None,
) -> list[Check]:
    """Check one component against the contract of its kind.

    Args:
        kind: what it is.
        name_or_factory: name of an installed component, or the factory itself.
        options: options to build it with; small networks are checked sooner, so ``channels``, ``fit_steps`` and
            ``epochs`` are small unless they are among these.
        host: host-given values; by default the smallest sizes that the factory accepts.
        source: for dataset readers, a folder that the reader reads.

    Returns:
        One check per property. Where it cannot even be built, the rest is left out.

    Raises:
        ComponentError: there is no component of that name, it cannot be imported, or it does not take these options.
    """
    if isinstance(name_or_factory, str):
        component = find(kind, name_or_factory)
        factory, described = component.factory(), component.described
    else:
        component, factory = None, name_or_factory
        described = f"The {kind.title} {getattr(factory, '__qualname__', repr(factory))!r}"
    if options:
        # A slip in the options is the caller's, not the component's.
        given = dict.fromkeys(HOST_GIVEN[kind], 0) | dict(host or {})
        bind_factory(factory, kind, described, given, options)
    notebook = Notebook()
    _check_import(notebook, component, factory)
    if kind is Kind.COMMAND:
        notebook.run("an app or a function", lambda: _check_command(factory))
        return notebook.checks
    notebook.run("keyword-only options", lambda: _check_signature(factory, kind, described))
    with isolated() as watch:
        subject = _sized(notebook, Subject(kind, described, factory, {}, dict(options or {}), source), host)
        try:
            if subject is not None:
                _checks_of(kind)(notebook, subject)
        except (Exception, SystemExit) as error:
            notebook.note("can be checked", False, f"it raised {cause_of(error)}")
    notebook.note("no network", not watch.network, f"it tried {watch.network[0]}" if watch.network else "")
    notebook.note("no unpickling", not watch.unpickled, f"it unpickled {watch.unpickled[0]}" if watch.unpickled else "")
    return notebook.checks


def check_installed(
    component: Component, *, options: Mapping[str, object] | None = None, source: Path | None = None
) -> list[Check]:
    """Run :func:`check` for an installed component, of which one that cannot be imported fails one check.

    Raises:
        ComponentError: it does not take these options.
    """
    try:
        component.factory()
    except ComponentError as error:
        return [Check("can be imported", False, f"{error.message} {error.hint}")]
    return check(component.kind, component.full_name, options=options, source=source)


def assert_conforms(
    kind: Kind,
    name_or_factory: str | Callable[..., Any],
    *,
    options: Mapping[str, object] | None = None,
    host: Mapping[str, object] | None = None,
    source: Path | None = None,
) -> None:
    """Run :func:`check` for a test.

    Raises:
        AssertionError: a check failed; the message lists every one that did.
        ComponentError: there is no component of that name, or it cannot be imported.
    """
    failed = [
        each for each in check(kind, name_or_factory, options=options, host=host, source=source) if not each.passed
    ]
    if failed:
        raise AssertionError("\n".join(f"{each.name}: {each.detail}" for each in failed))


def _checks_of(kind: Kind) -> Callable[[Notebook, Subject], None]:
    from stackgan_cli.components.conformance import extractors, metrics, networks, objectives, readers, texts

    return {
        Kind.TEXT_ENCODER: texts.check_text_encoder,
        Kind.STAGE1_GENERATOR: networks.check_generator,
        Kind.STAGE2_GENERATOR: networks.check_generator,
        Kind.DISCRIMINATOR: networks.check_discriminator,
        Kind.OBJECTIVE: objectives.check_objective,
        Kind.DATASET_READER: readers.check_reader,
        Kind.FEATURE_EXTRACTOR: extractors.check_extractor,
        Kind.METRIC: metrics.check_metric,
    }[kind]


def _check_import(notebook: Notebook, component: Component | None, factory: Callable[..., Any]) -> None:
    module = component.target.partition(":")[0] if component else getattr(factory, "__module__", "__main__")
    try:
        remark = import_quietly(module)
    except ModuleNotFoundError:
        # A bare factory may live in a file that only the test runner or a notebook can import.
        if component is not None:
            notebook.note("quiet import", False, f"a fresh interpreter finds no module {module!r}")
    except UnmetError as error:
        notebook.note("quiet import", False, str(error))
    else:
        notebook.note("quiet import", True, remark)


def _check_signature(factory: Callable[..., Any], kind: Kind, described: str) -> str:
    names = []
    for name, parameter in signature_of(factory, described).parameters.items():
        require(parameter.kind is not parameter.VAR_KEYWORD, f"**{name} hides the options; name each of them")
        require(parameter.kind is parameter.KEYWORD_ONLY, f"{name!r} can be given by position; put it after a *")
        require(name.isascii() and name == name.lower(), f"{name!r} should be lower-case words joined by underscores")
        require(not keyword.iskeyword(name) and not name.startswith("_"), f"{name!r} cannot be an option")
        given = name in HOST_GIVEN[kind]
        require(
            given or parameter.default is not inspect.Parameter.empty,
            f"the option {name!r} has no default, so the component cannot be used by its name alone",
        )
        names.append(name)
    return ", ".join(names) or "no options"


def _check_command(command: Callable[..., Any]) -> str:
    import typer

    if isinstance(command, typer.Typer):
        return "a Typer app"
    is_function = isinstance(command, types.FunctionType)
    require(is_function, f"it is {type(command).__name__}; it should be a typer.Typer or a function")
    return "a function"


def _sized(notebook: Notebook, subject: Subject, host: Mapping[str, object] | None) -> Subject | None:
    """Build once, at the first size that the factory accepts and small where it can be.

    None where it accepts none, or needs an option that was not given.
    """
    widths = {"text_width": TEXT_WIDTH, "word_width": WORD_WIDTH} if subject.kind in _SIZES else {}
    sizes: Sequence[Mapping[str, object]] = [{}] if host is not None else _SIZES.get(subject.kind, [{"seed": 0}])
    first: StackganError | None = None
    for small in (_small_options(subject, _SMALL), _small_options(subject, _BRIEF), {}):
        for size in sizes:
            given = {**widths, **size, **(host or {})}
            candidate = replace(subject, host=given, options={**small, **subject.options})
            try:
                candidate.build()
            except MissingOptionError as error:
                notebook.note("builds", True, f"only with --option, so nothing else was checked: {error.message}")
                return None
            except StackganError as error:
                first = first or error
                continue
            binding = candidate.binding
            values = {**binding.shapes, **binding.options}
            notebook.note("builds", True, ", ".join(f"{name}={value}" for name, value in values.items()))
            return candidate
    if first is not None:
        notebook.note("builds", False, f"{first.message} {first.hint or ''}".strip())
    return None


def _small_options(subject: Subject, small: Mapping[str, int]) -> dict[str, int]:
    try:
        parameters = signature_of(subject.factory, subject.described).parameters
    except StackganError:
        return {}
    defaults = {name: parameters[name].default for name in small if name in parameters}
    return {name: small[name] for name, value in defaults.items() if isinstance(value, int) and value > small[name]}
