"""Components from names and options, and from what a model folder says about them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.component import Component, Kind, cause_of, talk_on_stderr
from stackgan_cli.components.options import HOST_GIVEN, Bound, Option, bind, defaults_of, options_of
from stackgan_cli.components.registry import COMPONENT_NAME, PACKAGE_NAME, find
from stackgan_cli.errors import ComponentError, ModelError, StackganError

if TYPE_CHECKING:
    from torch import Tensor, nn

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,99}")
_LARGEST_SHAPE = 2**31 - 1
_NOTHING: Mapping[str, object] = {}


def build(
    kind: Kind, name: str, *, host: Mapping[str, object] = _NOTHING, options: Mapping[str, object] = _NOTHING
) -> Any:
    """Build a component by name.

    Args:
        kind: what it is.
        name: bare or full name.
        host: values that the program gives, such as ``text_width``; passed where the factory takes them.
        options: values from a recipe or a person; all of them must be taken.

    Raises:
        ComponentError: the component is unknown, cannot be imported, does not take these options, or fails to build.
        StackganError: whatever the factory itself has to say, unchanged.
    """
    component = find(kind, name)
    factory = component.factory()
    return call(factory, component.described, bind(factory, kind, component.described, host, options))


def call(factory: Callable[..., Any], described: str, bound: Bound) -> Any:
    """Call a factory with arguments that were bound to it.

    Raises:
        ComponentError: the factory fails.
        StackganError: whatever the factory itself has to say, unchanged.
    """
    try:
        with talk_on_stderr():
            return factory(**bound.arguments)
    except StackganError:
        raise
    except (Exception, SystemExit) as error:
        given = ", ".join(f"{name}={value!r}" for name, value in bound.arguments.items()) or "no arguments"
        raise ComponentError(
            f"{described} could not be built with {given}: {cause_of(error)}.",
            "Change its options, or report this to its authors.",
        ) from error


def entry(
    component: Component, host: Mapping[str, object] = _NOTHING, options: Mapping[str, object] = _NOTHING
) -> dict[str, Any]:
    """Describe a component so that :func:`rebuild` makes the same one again, on another machine and in another year.

    Options that were left to their defaults are written out too, because a later version may have other defaults.

    Returns:
        ``name`` (``package:name``), ``version``, ``options`` and ``shapes``, ready for JSON.

    Raises:
        ComponentError: the options do not fit the factory, or JSON cannot hold one of them.
    """
    factory = component.factory()
    bound = bind(factory, component.kind, component.described, host, options)
    reserved = {*HOST_GIVEN[component.kind], *bound.shapes}
    settled: dict[str, Any] = {}
    for name, value in {**defaults_of(factory, component.described), **bound.options}.items():
        if name in reserved:
            continue
        if name in bound.options or _is_plain(value):
            settled[name] = _plain(value, component.described, name)
    return {
        "name": component.full_name,
        "version": component.version,
        "options": settled,
        "shapes": {name: _plain(value, component.described, name) for name, value in bound.shapes.items()},
    }


def rebuild(kind: Kind, stored: Mapping[str, Any]) -> Any:
    """Build a component from an entry of a model folder, which may come from a stranger.

    Raises:
        ModelError: the entry is malformed.
        ComponentError: the component is not installed or cannot be built from that entry; where another version of its
            package is installed than the one that wrote the entry, the message names both.
    """
    name, version, options, shapes = _checked(kind, stored)
    package = name.partition(":")[0]
    try:
        component = find(kind, name)
    except ComponentError as error:
        hint = error.hint
        if hint and hint.endswith(f"pip install {package}") and version != "unknown":
            hint = hint.removesuffix(package) + f'"{package}=={version}"'
        raise ComponentError(f"The model needs a component that is not here. {error.message}", hint) from error
    try:
        return build(kind, name, host=shapes, options=options)
    except StackganError as error:
        if component.version == version:
            raise
        raise type(error)(
            f"{error.message} The model was saved with {package} {version}; {component.version} is installed.",
            f'Install the version it was saved with: pip install "{package}=={version}"',
        ) from error


def load_weights(module: nn.Module, tensors: Mapping[str, Tensor], *, what: str) -> None:
    """Load weights into a module, all of them and nothing else.

    Args:
        module: where to.
        tensors: state dictionary, by key.
        what: file or component for the beginning of a sentence, such as ``stage1/model.safetensors``.

    Raises:
        ModelError: keys are missing or unexpected, or shapes differ; nothing has been loaded then.
    """
    own = module.state_dict()
    missing = [key for key in own if key not in tensors]
    unexpected = [key for key in tensors if key not in own]
    reshaped = [
        f"{key} is {_shape(tensors[key])} instead of {_shape(own[key])}"
        for key in own
        if key in tensors and _shape(tensors[key]) != _shape(own[key])
    ]
    problems = [
        f"{len(found)} {label} ({', '.join(found[:3])}{', ...' if len(found) > 3 else ''})"
        for label, found in (("missing", missing), ("unexpected", unexpected), ("of the wrong shape", reshaped))
        if found
    ]
    if problems:
        raise ModelError(
            f"{what} does not fit {type(module).__name__}: of {len(own)} tensors, {'; '.join(problems)}.",
            "Use the weights with the component and the options that they were saved with.",
        )
    module.load_state_dict(dict(tensors))


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(getattr(tensor, "shape", ()))


def _is_plain(value: object) -> bool:
    if value is None or isinstance(value, bool | int | float | str | Path):
        return True
    return isinstance(value, list | tuple) and all(_is_plain(each) for each in value)


def _plain(value: object, described: str, name: str) -> Any:
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


def _checked(kind: Kind, stored: Any) -> tuple[str, str, dict[str, Any], dict[str, int]]:
    """Take a stored entry apart, trusting nothing in it."""

    def malformed(what: str) -> ModelError:
        return ModelError(
            f"The model's entry for its {kind.title} is malformed: {what}.",
            "Get the model again from where it came from, or convert it anew.",
        )

    if not isinstance(stored, Mapping):
        raise malformed(f"it is {type(stored).__name__} instead of an object")
    name, version = stored.get("name"), stored.get("version")
    if not isinstance(name, str):
        raise malformed("'name' is not text")
    package, colon, bare = name.partition(":")
    if not colon or not PACKAGE_NAME.fullmatch(package) or not COMPONENT_NAME.fullmatch(bare):
        raise malformed(f"{name[:100]!r} is not of the form package:name")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise malformed("'version' is not a version number")
    options, shapes = stored.get("options", {}), stored.get("shapes", {})
    for label, values, holds in (("options", options, _is_plain), ("shapes", shapes, _is_size)):
        if not isinstance(values, Mapping):
            raise malformed(f"{label!r} is {type(values).__name__} instead of an object")
        for key, value in values.items():
            if not (isinstance(key, str) and key.isidentifier() and holds(value)):
                raise malformed(f"{str(value)[:40]!r} for {str(key)[:40]!r} in {label!r} cannot be meant")
    return name, version, dict(options), dict(shapes)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_SHAPE


__all__ = ["HOST_GIVEN", "Bound", "Option", "bind", "build", "call", "entry", "load_weights", "options_of", "rebuild"]
