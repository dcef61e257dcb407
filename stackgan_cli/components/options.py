"""What a factory takes, read from its signature, and the values that people give for it.

Options are bound and checked here before anything is built, so that a slip of the pen costs no time.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import sys
import tomllib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackgan_cli.components.component import Component, Kind
from stackgan_cli.errors import ComponentError, UsageError

HOST_GIVEN: Mapping[Kind, tuple[str, ...]] = {
    Kind.TEXT_ENCODER: (),
    Kind.STAGE1_GENERATOR: ("text_width", "resolution"),
    Kind.STAGE2_GENERATOR: ("text_width", "resolution", "input_resolution"),
    Kind.DISCRIMINATOR: ("text_width", "resolution", "input_resolution"),
    Kind.DATASET_READER: ("seed",),
    Kind.FEATURE_EXTRACTOR: (),
}
"""The parameters that the host gives to a factory of each kind; they cannot be set by hand."""


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
class Bound:
    """The arguments of a factory, checked; together they are all that it is called with."""

    shapes: dict[str, Any]
    """Values that the host gave and the factory takes."""
    options: dict[str, Any]
    """Options that were given."""

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments for the call."""
        return {**self.shapes, **self.options}


def options_of(component: Component) -> list[Option]:
    """Import a component's module and list what its factory takes, in the order of the signature.

    Raises:
        ComponentError: the module cannot be imported or the factory has no readable signature.
    """
    return [
        Option(
            name=parameter.name,
            annotation=_annotation_text(parameter.annotation),
            default=None if parameter.default is parameter.empty else parameter.default,
            required=parameter.default is parameter.empty,
            host_given=parameter.name in HOST_GIVEN[component.kind],
        )
        for parameter in named_parameters(signature_of(component.factory(), component.described)).values()
    ]


def bind(
    factory: Callable[..., Any],
    kind: Kind,
    described: str,
    host: Mapping[str, object],
    options: Mapping[str, object],
) -> Bound:
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
    parameters = named_parameters(signature)
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
            values[name] = _fit_option(factory, parameters[name], value, described)
        elif takes_any:
            values[name] = value
        else:
            raise ComponentError(f"{described} has no option {name!r}.", _unknown_hint(name, accepted))
    shapes = {name: value for name, value in host.items() if name in parameters}
    missing = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty and name not in shapes and name not in values
    ]
    if missing:
        raise ComponentError(
            f"{described} needs a value for {', '.join(missing)}.",
            f"Set it as an option: {missing[0]}=..." if missing[0] in accepted else None,
        )
    return Bound(shapes, values)


def defaults_of(factory: Callable[..., Any], described: str) -> dict[str, Any]:
    """Default values of the parameters that have one."""
    parameters = named_parameters(signature_of(factory, described))
    return {name: each.default for name, each in parameters.items() if each.default is not each.empty}


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


def named_parameters(signature: inspect.Signature) -> dict[str, inspect.Parameter]:
    """Those parameters that can be given by name."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: each for name, each in signature.parameters.items() if each.kind in by_name}


def parse_option(text: str) -> tuple[str, Any]:
    """Read ``key=value`` from the command line; the value is TOML, and a bare word is a string.

    Raises:
        UsageError: there is no ``=``, or no key before it.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"{text!r} does not set anything.", "Write options as key=value, for example width=256.")
    key, value = key.strip(), value.strip()
    try:
        values = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return key, value
    # A line break in the value could begin another TOML key.
    return key, values["value"] if len(values) == 1 else value


def _fit_option(factory: Callable[..., Any], parameter: inspect.Parameter, value: object, described: str) -> Any:
    if value is None and parameter.default is None:
        return None
    try:
        return _fit(value, _resolve(factory, parameter.annotation))
    except ValueError:
        wanted = _annotation_text(parameter.annotation)
        hint = f"Leave {parameter.name} out, or give it a value of that kind."
        if isinstance(value, int | float) and "str" in wanted:
            hint = f"Quote it to make it text: {parameter.name}='\"{value}\"'"
        raise ComponentError(
            f"{described} takes {parameter.name} as {wanted}, not {value!r} ({type(value).__name__}).", hint
        ) from None


def _resolve(factory: Callable[..., Any], annotation: Any) -> Any:
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


def _fit(value: Any, wanted: Any) -> Any:
    """Return ``value`` as the type ``wanted``; ValueError where it is something else.

    Types outside the scalars, None, Literal, Path and sequences of these are the factory's own affair.
    """
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        return _fit_union(value, arguments)
    if origin is typing.Literal:
        return _fit_literal(value, arguments)
    if origin in (list, tuple, Sequence):
        return _fit_sequence(value, origin, arguments)
    if wanted in (None, type(None), bool, int, float, str, Path):
        return _fit_scalar(value, wanted)
    return value


def _fit_union(value: Any, members: tuple[Any, ...]) -> Any:
    """Prefer the member that needs no conversion, so that ``int | float`` keeps an integer."""
    if any(isinstance(each, type) and type(value) is each for each in members):
        return value
    # None comes last, so that the word "none" stays text where text is allowed.
    for member in sorted(members, key=lambda each: each is type(None)):
        try:
            return _fit(value, member)
        except ValueError:
            continue
    raise ValueError


def _fit_literal(value: Any, choices: tuple[Any, ...]) -> Any:
    if any(value == each and type(value) is type(each) for each in choices):
        return value
    raise ValueError


def _fit_scalar(value: Any, wanted: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if wanted is float and is_number:
        return float(value)
    if wanted is int and is_number and float(value).is_integer():
        return int(value)
    if wanted is Path and isinstance(value, str):
        return Path(value)
    if wanted in (bool, str, Path) and isinstance(value, wanted):
        return value
    # TOML has no word for nothing, so the command line spells it "none".
    if wanted in (None, type(None)) and (value is None or (isinstance(value, str) and value.lower() == "none")):
        return None
    raise ValueError


def _fit_sequence(value: Any, origin: Any, arguments: tuple[Any, ...]) -> Any:
    if not isinstance(value, list | tuple):
        raise ValueError
    if origin is tuple and arguments and Ellipsis not in arguments:
        if len(value) != len(arguments):
            raise ValueError
        return tuple(_fit(each, member) for each, member in zip(value, arguments, strict=True))
    fitted = [_fit(each, arguments[0]) if arguments else each for each in value]
    return fitted if origin is list else tuple(fitted)


def _annotation_text(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    if isinstance(annotation, str):
        return annotation
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


def _unknown_hint(name: str, accepted: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, accepted, n=1)
    listing = _accepted_hint(accepted)
    return f"Did you mean {close[0]!r}? {listing}" if close else listing


def _accepted_hint(accepted: Sequence[str]) -> str:
    return f"It takes: {', '.join(accepted)}." if accepted else "It takes no options."
