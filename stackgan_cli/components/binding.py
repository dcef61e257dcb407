"""A component bound to what it is built with: checked once, before anything is built, so that a slip costs no time.

One binding answers for all that follows: it builds the component, describes it for a model folder, and says whether
something stored is the same.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import json
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.component import Kind, Offer, cause_of, talk_on_stderr
from stackgan_cli.components.key_values import is_plain
from stackgan_cli.errors import ComponentError, StackganError, is_out_of_memory

if TYPE_CHECKING:
    from stackgan_cli.components.entries import ComponentEntry

_NETWORK = ("text_width", "word_width", "resolution")
HOST_GIVEN: Mapping[Kind, tuple[str, ...]] = {
    Kind.TEXT_ENCODER: (),
    Kind.STAGE1_GENERATOR: _NETWORK,
    Kind.STAGE2_GENERATOR: (*_NETWORK, "input_resolution"),
    Kind.DISCRIMINATOR: (*_NETWORK, "input_resolution"),
    Kind.OBJECTIVE: _NETWORK,
    Kind.DATASET_READER: ("seed",),
    Kind.FEATURE_EXTRACTOR: (),
    Kind.METRIC: (),
    Kind.COMMAND: (),
}
"""The parameters that the host gives to a factory of each kind; they cannot be set by hand."""

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Option:
    """One parameter of a factory."""

    name: str
    annotation: str
    """As written in the signature; empty where there is none."""
    default: Any
    """None for required ones."""
    required: bool
    host_given: bool


@dataclass(frozen=True, slots=True)
class Binding:
    """A factory with its arguments, all of them checked against its signature."""

    kind: Kind
    factory: Callable[..., Any]
    described: str
    """The component for the beginning of a sentence."""
    shapes: Mapping[str, Any]
    """Values that the host gave and the factory takes."""
    options: Mapping[str, Any]
    """Options that were given."""
    component: Component | None = None
    """Where it is installed, rather than a bare factory."""

    def build(self, *, seed: int | None = None) -> Any:
        """Call the factory.

        Args:
            seed: of torch's default generator while the factory runs, which is left as it was before; None for no seed.

        Raises:
            ComponentError: the factory fails.
            StackganError: whatever the factory itself has to say, unchanged.
        """
        if seed is None:
            return self._called()
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self._called()

    def entry(self, learnt: Mapping[str, Any] = _NOTHING) -> ComponentEntry:
        """Describe the component so that the same one is built again, on another machine and in another year.

        Options that were left to their defaults are written out too, because a later version may have other defaults.

        Args:
            learnt: options that fitting found out (see :class:`~stackgan_cli.components.protocols.LearnsOptions`).

        Raises:
            ComponentError: JSON cannot hold an option.
        """
        given = {**self.options, **learnt}
        settled = {
            name: _as_json(value, self.described, name)
            for name, value in {**self._defaults(), **given}.items()
            if name not in self._reserved() and (name in given or is_plain(value))
        }
        from stackgan_cli.components.entries import ComponentEntry

        shapes = {name: _as_json(value, self.described, name) for name, value in self.shapes.items()}
        full_name, version = (self.component.full_name, self.component.version) if self.component else ("", "")
        return ComponentEntry.model_construct(name=full_name, version=version, options=settled, shapes=shapes)

    def is_as(self, stored: ComponentEntry) -> bool:
        """Whether a stored entry is of this component, of this version and with these options.

        What is None here is left to the component, so it may be anything there. An option that is not stored is one
        that the component had not yet, and then it was as its default is.
        """
        ours, defaults = self.entry(), replace(self, options={}).entry().options
        return (ours.name, ours.version) == (stored.name, stored.version) and all(
            stored.options.get(name, defaults.get(name)) == value
            for name, value in ours.options.items()
            if value is not None
        )

    def _called(self) -> Any:
        arguments = {**self.shapes, **self.options}
        try:
            with talk_on_stderr():
                return self.factory(**arguments)
        except StackganError:
            raise
        except (Exception, SystemExit) as error:
            given = ", ".join(f"{name}={value!r}" for name, value in arguments.items()) or "no arguments"
            if isinstance(error, Exception) and is_out_of_memory(error):
                raise ComponentError(
                    f"{self.described} with {given} takes more memory than there is.", "Choose smaller numbers for it."
                ) from error
            raise ComponentError(
                f"{self.described} could not be built with {given}: {cause_of(error)}.",
                "Change its options, or report this to its authors.",
            ) from error

    def _defaults(self) -> dict[str, Any]:
        parameters = _named(signature_of(self.factory, self.described))
        return {name: each.default for name, each in parameters.items() if each.default is not each.empty}

    def _reserved(self) -> set[str]:
        return {*HOST_GIVEN[self.kind], *self.shapes}


@dataclass(frozen=True, slots=True)
class Component(Offer):
    """A component as its package advertises it; nothing of it has been imported."""

    kind: Kind
    name: str
    package: str
    version: str
    target: str
    """``module:attribute`` of the factory."""

    @property
    def described(self) -> str:
        """Kind, name, package and version for the beginning of a sentence."""
        return f"The {self.kind.title} {self.name!r} of {self.package} {self.version}"

    def bind(self, host: Mapping[str, Any] | None = None, options: Mapping[str, Any] | None = None) -> Binding:
        """Import the component and check what it is to be built with; nothing is built yet.

        Args:
            host: values from the program, such as ``text_width``; kept where the factory takes them.
            options: values from a recipe or a person; every one must be taken, and fit its annotation.

        Raises:
            ComponentError: it cannot be imported, an option is unknown, belongs to the program or has the wrong type,
                or a parameter has no value.
        """
        bound = bind_factory(self.factory(), self.kind, self.described, host or {}, options or {})
        return replace(bound, component=self)

    def factory(self) -> Callable[..., Any]:
        """Import the module and return the factory.

        Raises:
            ComponentError: the module cannot be imported, or what the entry point names is not there or not callable.
        """
        module_name, _, attributes = self.target.partition(":")
        try:
            with talk_on_stderr():
                found: Any = importlib.import_module(module_name)
                for attribute in attributes.split("."):
                    found = getattr(found, attribute)
        except (Exception, SystemExit) as error:
            raise ComponentError(
                f"{self.described} cannot be imported: {cause_of(error)}.", self._repair(error)
            ) from error
        if not callable(found):
            raise ComponentError(
                f"{self.described} is no factory: {self.target} is {type(found).__name__} and cannot be called.",
                f"Report this to the authors of {self.package}.",
            )
        factory: Callable[..., Any] = found
        return factory

    def _repair(self, error: BaseException) -> str:
        own = self.target.partition(":")[0].partition(".")[0]
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and missing.partition(".")[0] != own:
            return f"Install what provides {missing.partition('.')[0]!r}, or choose another {self.kind.title}."
        return f"Reinstall or update it: pip install --upgrade {self.package}"


def bind_factory(
    factory: Callable[..., Any],
    kind: Kind,
    described: str,
    host: Mapping[str, Any] = _NOTHING,
    options: Mapping[str, Any] = _NOTHING,
) -> Binding:
    """Fit host values and options to the signature of a factory without calling it.

    Args:
        factory: what is going to be called.
        kind: the kind of component that it makes.
        described: the component for the beginning of a sentence.
        host: values from the host, kept where the factory takes a parameter of that name.
        options: values from a recipe or a person; every one must be a parameter, and fit its annotation.

    Raises:
        ComponentError: an option is unknown, belongs to the host or has the wrong type, or a parameter has no value.
    """
    signature = signature_of(factory, described)
    parameters = _named(signature)
    takes_any = any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values())
    reserved = {*HOST_GIVEN[kind], *host}
    accepted = [name for name in parameters if name not in reserved]
    values: dict[str, Any] = {}
    for name, value in options.items():
        if name in reserved and (name in parameters or name in HOST_GIVEN[kind]):
            raise ComponentError(
                f"{described} gets {name!r} from the program, so it cannot be set as an option.",
                _accepted_hint(accepted),
            )
        if name in parameters:
            values[name] = _fitted(factory, parameters[name], value, described)
        elif takes_any:
            values[name] = value
        else:
            raise ComponentError(f"{described} has no option {name!r}.", _unknown_hint(name, accepted))
    shapes = {name: value for name, value in host.items() if name in parameters}
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in shapes and name not in values:
            raise _no_value(described, name, accepted)
    return Binding(kind, factory, described, shapes, values)


def options_of(component: Component) -> list[Option]:
    """Import a component's module and list what its factory takes, in the order of the signature.

    Raises:
        ComponentError: the module cannot be imported or the factory has no readable signature.
    """
    return [
        Option(
            name=parameter.name,
            annotation=_written(parameter.annotation),
            default=None if parameter.default is parameter.empty else parameter.default,
            required=parameter.default is parameter.empty,
            host_given=parameter.name in HOST_GIVEN[component.kind],
        )
        for parameter in _named(signature_of(component.factory(), component.described)).values()
    ]


def signature_of(factory: Callable[..., Any], described: str) -> inspect.Signature:
    """Signature of a factory.

    Raises:
        ComponentError: it has none that can be read.
    """
    try:
        return inspect.signature(factory)
    except (TypeError, ValueError) as error:
        raise ComponentError(
            f"{described} does not tell its options: {error}.",
            "Its factory must be a Python class or function with keyword-only parameters.",
        ) from error


def _named(signature: inspect.Signature) -> dict[str, inspect.Parameter]:
    """Those parameters that can be given by name."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: each for name, each in signature.parameters.items() if each.kind in by_name}


def _fitted(factory: Callable[..., Any], parameter: inspect.Parameter, value: Any, described: str) -> Any:
    """Return an option's value as its annotation means it."""
    from pydantic import ValidationError

    if value is None and parameter.default is None:
        return None
    annotation = _resolved(factory, parameter.annotation)
    try:
        return _validated(annotation, value)
    except ValidationError:
        # TOML has no word for nothing, so the command line spells it "none".
        if isinstance(value, str) and value.lower() == "none":
            with_nothing = _or_none(annotation)
            if with_nothing:
                return None
    wanted = _written(parameter.annotation)
    hint = f"Leave {parameter.name} out, or give it a value of that kind."
    if isinstance(value, int | float) and "str" in wanted:
        hint = f"Quote it to make it text: {parameter.name}='\"{value}\"'"
    raise ComponentError(
        f"{described} takes {parameter.name} as {wanted}, not {value!r} ({type(value).__name__}).", hint
    )


def _validated(annotation: Any, value: Any) -> Any:
    """Check a value by pydantic, strictly: text is no number, and a number is no truth.

    Values travel as JSON, in whose strict mode a list may become a tuple and text a path.

    Raises:
        pydantic.ValidationError: it is something else.
    """
    from pydantic import PydanticUserError, TypeAdapter

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    except PydanticUserError:
        # A type that pydantic does not know is the factory's own affair.
        return value
    if isinstance(value, float) and value.is_integer():
        try:
            return adapter.validate_json(json.dumps(value), strict=True)
        except ValueError:
            # 16.0 is a whole number to whoever writes it.
            return adapter.validate_json(json.dumps(int(value)), strict=True)
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        return adapter.validate_python(value, strict=True)
    return adapter.validate_json(text, strict=True)


def _or_none(annotation: Any) -> bool:
    from pydantic import ValidationError

    try:
        return _validated(annotation, None) is None
    except ValidationError:
        return False


def _resolved(factory: Callable[..., Any], annotation: Any) -> Any:
    """Turn an annotation written as text into a type; Any where its names cannot be resolved."""
    if annotation is inspect.Parameter.empty:
        return Any
    if not isinstance(annotation, str):
        return annotation
    function: Any = inspect.unwrap(factory)
    if isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, type):
        function = inspect.getattr_static(function, "__init__")
    names = getattr(function, "__globals__", None) or vars(sys.modules.get(function.__module__, types))
    try:
        # The text is part of a module that has just been imported: it runs nothing that is not already trusted.
        return eval(annotation, names)
    except Exception:
        return Any


def _as_json(value: Any, described: str, name: str) -> Any:
    """Return ``value`` as JSON would give it back."""
    try:
        return json.loads(json.dumps(value, allow_nan=False, default=_path_text))
    except (TypeError, ValueError) as error:
        raise ComponentError(
            f"{described} cannot be saved with {name}={value!r}: {error}.",
            "Options are numbers, text, true or false, or lists of these.",
        ) from error


def _path_text(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"JSON cannot hold a {type(value).__name__}")


def _written(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    if isinstance(annotation, str):
        return annotation
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


def _no_value(described: str, name: str, accepted: Sequence[str]) -> ComponentError:
    if name == "word_width":
        return ComponentError(
            f"{described} reads the words of a caption, and this text encoder describes sentences alone.",
            "Choose a text encoder with word features, or another component.",
        )
    return ComponentError(
        f"{described} needs a value for {name}.", f"Set it as an option: {name}=..." if name in accepted else None
    )


def _unknown_hint(name: str, accepted: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, accepted, n=1)
    listing = _accepted_hint(accepted)
    return f"Did you mean {close[0]!r}? {listing}" if close else listing


def _accepted_hint(accepted: Sequence[str]) -> str:
    return f"It takes: {', '.join(accepted)}." if accepted else "It takes no options."
