"""Turn a sentence into a picture with a two-stage GAN, and train one on your own captioned pictures.

    from stackgan_cli import Pipeline
    Pipeline.from_pretrained("bundled")("a small red bird", seed=7).images[0].save("bird.png")

Importing any of these names imports no torch: a model that is loaded does, and data that is prepared or trained on.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

# Both libraries read the entry points of every installed package when they start, and one malformed line in any of them
# would end the import of torch, and pydantic's first model. Whoever wants their plug-ins sets these variables.
os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

if TYPE_CHECKING:
    from stackgan_cli.console import ConsoleProgress
    from stackgan_cli.drawing.pictures import PipelineOutput
    from stackgan_cli.errors import StackganError
    from stackgan_cli.evaluation.evaluate import evaluate
    from stackgan_cli.evaluation.request import EvaluateRequest
    from stackgan_cli.models.folder import ModelFolder
    from stackgan_cli.pipeline import Pipeline
    from stackgan_cli.preparing.prepare import prepare
    from stackgan_cli.preparing.request import PrepareRequest
    from stackgan_cli.progress import Progress, ProgressCallback
    from stackgan_cli.training.request import TrainRequest
    from stackgan_cli.training.train import train

__all__ = [
    "ConsoleProgress",
    "EvaluateRequest",
    "ModelFolder",
    "Pipeline",
    "PipelineOutput",
    "PrepareRequest",
    "Progress",
    "ProgressCallback",
    "StackganError",
    "TrainRequest",
    "evaluate",
    "prepare",
    "train",
]

_WHERE = {
    "ConsoleProgress": "console",
    "EvaluateRequest": "evaluation.request",
    "ModelFolder": "models.folder",
    "Pipeline": "pipeline",
    "PipelineOutput": "drawing.pictures",
    "PrepareRequest": "preparing.request",
    "Progress": "progress",
    "ProgressCallback": "progress",
    "StackganError": "errors",
    "TrainRequest": "training.request",
    "evaluate": "evaluation.evaluate",
    "prepare": "preparing.prepare",
    "train": "training.train",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__]
