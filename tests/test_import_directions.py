"""The house of the design: imports run one way, and nothing in the core knows a built-in component by name."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import stackgan_cli
from stackgan_cli.components.registry import RESOURCE_GROUPS

PACKAGE = Path(stackgan_cli.__file__).parent
MODULES = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}

FLOORS = (
    ("errors", "progress", "randomness"),
    ("files", "parsing", "formats", "console", "interrupts", "locks"),
    ("home", "manifests", "machine", "ranks", "room", "pictures", "downloads"),
    ("components", "recipes"),
    ("models",),
    ("readers", "drawn_birds", "text_encoders", "generators", "discriminators", "objectives", "extractors"),
    ("dataset",),
    ("preparing",),
    ("evaluation", "drawing", "pipeline"),
    ("training",),
    ("sharing",),
    ("generating", "serving"),
    ("commands",),
    ("app", "__init__", "__main__"),
)
FLOOR_OF = {part: floor for floor, parts in enumerate(FLOORS) for part in parts}

ORDINARY = {"folder", "matching", "words"}
"""Names of components that are ordinary words too: parts of text features and judgements, a place on the disk."""

DEFAULTS = {
    ("commands/convert.py", "port"),
    ("sharing/converting.py", "port"),
    ("sharing/converting.py", "precomputed"),
    ("evaluation/request.py", "domain-classifier"),
    *(("evaluation/run_evaluation.py", name) for name in ("attribute-accuracy", "frechet-distance")),
    *(("evaluation/run_evaluation.py", name) for name in ("kernel-distance", "r-precision")),
    ("preparing/prepare.py", "char-cnn-rnn"),
    ("recipes/schema.py", "gradient-penalty"),  # a table of its own in settings of earlier versions
}


def imported(tree: ast.Module) -> Iterator[str]:
    """Every module of ours that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("stackgan_cli."):
            yield node.module.removeprefix("stackgan_cli.")
        elif isinstance(node, ast.Import):
            yield from (
                alias.name.removeprefix("stackgan_cli.") for alias in node.names if "stackgan_cli." in alias.name
            )


def at_import_time(tree: ast.Module) -> Iterator[str]:
    """Roots of everything that importing a module imports: what stands outside of functions and type checking."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def part_of(module: str) -> str:
    return module.split("/", maxsplit=1)[0].removesuffix(".py")


def test_every_module_has_its_floor() -> None:
    assert {part_of(module) for module in MODULES} <= set(FLOOR_OF)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_run_one_way(module: str) -> None:
    own = FLOOR_OF[part_of(module)]
    above = [name for name in imported(MODULES[module]) if FLOOR_OF[name.partition(".")[0]] > own]
    assert not above, f"{module} imports from above: {above}"


def test_text_encoders_and_networks_know_nothing_of_each_other() -> None:
    for module, tree in MODULES.items():
        below = {name.partition(".")[0] for name in imported(tree)}
        if part_of(module) == "text_encoders":
            assert not below & {"generators", "discriminators"}, module
        elif part_of(module) in ("generators", "discriminators"):
            assert not below & {"text_encoders", "dataset", "readers"}, module


WITHOUT_TORCH = {
    *("components", "errors", "files", "manifests", "home", "console", "progress"),
    *("commands", "generating", "app", "recipes", "models"),
}


# The kit that authors run over their networks is made of tensors.
@pytest.mark.parametrize(
    "module", sorted(each for each in MODULES if part_of(each) in WITHOUT_TORCH and "conformance" not in each)
)
def test_the_seam_and_the_command_line_import_no_torch(module: str) -> None:
    heavy = {"torch", "datasets", "torchmetrics", "safetensors", "pyarrow"}
    assert not set(at_import_time(MODULES[module])) & heavy


def test_nothing_is_pickled() -> None:
    for module, tree in MODULES.items():
        names = set(at_import_time(tree)) | {
            alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        }
        if module != "formats/restricted_pickle.py":
            assert not names & {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}, module
        # Public weights that come in no other form are read as tensors alone.
        public = ("extractors/imagenet_lite0.py", "formats/torch_weights.py")
        loads = [each for each in called(tree, "torch.load") if module in public]
        assert all("weights_only=True" in each for each in loads), module
        assert called(tree, "torch.load") == loads, module
        assert not called(tree, "torch.save"), module


def called(tree: ast.Module, function: str) -> list[str]:
    """Every call of a function, as it is written."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [ast.unparse(node) for node in calls if ast.unparse(node.func) == function]


def texts(tree: ast.Module) -> Iterator[str]:
    """All string constants but docstrings."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body
        if isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_the_core_names_no_built_in_component() -> None:
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]["entry-points"]
    names = {name for group in project.values() for name in group}
    factories = [targets for group, targets in project.items() if group not in RESOURCE_GROUPS]
    homes = {target.partition(":")[0] for targets in factories for target in targets.values()}
    beside = {home.rpartition(".")[0] for home in homes}
    recipes = {path.stem for path in (PACKAGE / "recipes").glob("*.toml")}
    for module, tree in MODULES.items():
        dotted = f"stackgan_cli.{module.removesuffix('.py').replace('/', '.')}"
        if dotted in homes or dotted.rpartition(".")[0] in beside or "drawn_birds" in module:
            continue
        named = set(texts(tree)) & (names - recipes - ORDINARY)
        allowed = {name for where, name in DEFAULTS if where == module}
        assert named <= allowed, f"{module} names {named}"


def test_no_room_reaches_for_what_another_module_keeps_to_itself() -> None:
    for module, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("stackgan_cli"):
                hidden = [alias.name for alias in node.names if alias.name.startswith("_")]
                assert not hidden, f"{module} takes {hidden} from {node.module}"


def test_drawing_imports_nothing_that_prepares_or_trains() -> None:
    code = "import sys, stackgan_cli.pipeline, stackgan_cli.commands.generate; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    rooms = {name.split(".")[1] for name in loaded if name.startswith("stackgan_cli.")}
    assert not rooms & {"preparing", "readers", "downloads", "formats", "training", "evaluation"}
    assert not {"datasets", "torchmetrics", "matplotlib", "pyarrow"} & set(loaded)


def test_names_of_modules_say_what_they_hold() -> None:
    assert not {module for module in MODULES if re.search(r"(^|/)(utils?|helpers?|misc|common)\.py$", module)}
