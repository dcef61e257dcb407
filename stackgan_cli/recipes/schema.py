"""What a recipe may say: the components of a stage, their options, and every training setting with its bounds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stackgan_cli.randomness import LARGEST_SEED

_MOST = 10**15
"""Of anything that is counted: what is written of larger numbers could not be read again."""
Positive = Annotated[int, Field(ge=1, le=_MOST)]
Whole = Annotated[int, Field(ge=0, le=_MOST)]
NotNegative = Annotated[float, Field(ge=0.0)]
Decay = Annotated[float, Field(ge=0.0, lt=1.0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class ComponentChoice(_Strict):
    """A component by name, with its options."""

    name: str
    """Its name, or package:name (stackgan components list)."""
    options: dict[str, Any] = {}
    """What it takes beside its name (stackgan components show NAME)."""


class OptimizerSettings(_Strict):
    """Adam (Kingma and Ba 2014)."""

    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-4
    """Adam's step size at the beginning."""
    beta1: Decay = 0.5
    """Decay of the running mean of the gradient."""
    beta2: Decay = 0.999
    """Decay of the running mean of the squared gradient."""
    halve_every: Positive | None = None
    """Epochs after which the learning rate is halved, again and again."""
    decay_from: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0
    """Share of the run after which the learning rate falls linearly to a tenth; 1 keeps it."""


class DiscriminatorChoice(ComponentChoice):
    """A discriminator, with its weight in the generator's loss."""

    weight: Annotated[float, Field(gt=0.0)] = 1.0


class ObjectiveChoice(ComponentChoice):
    """An objective, with its weight and its rhythm."""

    weight: NotNegative = 1.0
    """What its terms are multiplied with; 0 switches it off."""
    every: Positive = 1
    """Steps from one in which it is due to the next."""
    discriminators: tuple[str, ...] | None = None
    """Names of the discriminators that it concerns; all of them where it is not said."""


class StageSettings(_Strict):
    """Everything that decides how one stage is trained."""

    resolution: Positive
    """Side of the generator's pictures in pixels."""
    generator: ComponentChoice
    """What draws."""
    discriminator: DiscriminatorChoice | None = None
    """What judges; in its place, ``discriminators`` lists several."""
    discriminators: tuple[DiscriminatorChoice, ...] = ()
    """Several that judge, each with its weight."""
    objectives: tuple[ObjectiveChoice, ...] = ()
    """What is trained for beside fooling the discriminators."""
    generator_optimizer: OptimizerSettings = OptimizerSettings()
    """How the generator learns."""
    discriminator_optimizer: OptimizerSettings = OptimizerSettings()
    """How the discriminator learns."""
    batch_size: Positive = 64
    """Pictures in a step, on all devices together."""
    steps: Positive | None = None
    """How long to train, in steps; either this or epochs."""
    epochs: Positive | None = None
    """How long to train, in passes over the pictures; either this or steps."""
    captions_averaged: Positive = 4
    """Captions whose features are averaged for a picture (4 of 10 in the published code)."""
    flip: bool = True
    """Mirror pictures at random."""
    loss: Literal["bce", "hinge"] = "bce"
    """The adversarial loss: binary cross-entropy as published, or hinge."""
    kl_weight: NotNegative = 2.0
    """Weight of the divergence of the conditioning distribution from the standard normal one."""
    kl_reduction: Literal["mean", "sum"] = "mean"
    """Over the condition's dimensions: mean as in the published TensorFlow code, sum as the formula reads."""
    draw_condition: Literal["sample", "mean"] = "sample"
    """What a trained model draws with: a draw from the conditioning distribution as in the paper, or its mean."""
    judge_by: Literal["text", "condition"] = "text"
    """What the discriminator reads: the text features, or the mean of the generator's conditioning distribution."""
    head_start: Whole = 0
    """Steps at the beginning in which the discriminators learn alone, beside a generator that comes trained."""
    averaging: Decay = 0.0
    """Decay of the exponential moving average of the generator's weights; 0 for none."""
    stage1_batch_norm: Literal["running", "batch"] = "running"
    """Statistics that the frozen Stage-I uses inside Stage-II: its running ones, or each batch's own as published."""
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = 0
    """Of everything random."""
    log_every: Positive = 50
    """Steps from one line of log.jsonl to the next."""
    sample_every: Positive = 500
    """Steps from one sheet of samples to the next."""
    checkpoint_every: Positive = 1000
    """Steps from one checkpoint to the next."""
    keep_checkpoints: Positive = 2
    """Newest checkpoints that are kept; the best one is kept beside them."""
    measure_pictures: Whole = 128
    """Test pictures that a checkpoint's drawings are measured against, to know the best one; 0 measures nothing."""
    eval_every: Whole = 0
    """Steps from one evaluation of the generator to the next, by which the best checkpoint is told; 0 for none.

    A hundred pictures of one cost ``quick`` as much as half a step of Stage-I at 64 px, 1.7 of Stage-II at 256 px."""
    eval_pictures: Positive = 2000
    """Test captions that an evaluation draws, at most."""
    resident_gib: NotNegative = 6.0
    """Pictures and text features lie decoded in the device's memory where they take no more than this."""
    stream: str | None = None
    """Folder or address of shards that pictures are streamed from, instead of the prepared data's own table."""
    stream_buffer: Positive = 2048
    """Pictures that a stream is shuffled among."""

    @model_validator(mode="before")
    @classmethod
    def _penalty_of_before(cls, values: Any) -> Any:
        """Read the table ``gradient_penalty``, which was a setting before there were objectives."""
        if isinstance(values, dict) and isinstance(penalty := values.get("gradient_penalty"), dict):
            values = {key: value for key, value in values.items() if key != "gradient_penalty"}
            if penalty.get("weight", 0.0):
                options = {"power": penalty.get("power", 6.0)}
                rhythm = {key: penalty[key] for key in ("weight", "every") if key in penalty}
                before = {"name": "gradient-penalty", "options": options, **rhythm}
                values["objectives"] = [*values.get("objectives", ()), before]
        return values

    @model_validator(mode="after")
    def _one_of_two(self) -> StageSettings:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("exactly one of steps and epochs says how long to train")
        if (self.discriminator is None) == (not self.discriminators):
            raise ValueError("either discriminator or discriminators says which judge")
        return self

    @property
    def judges(self) -> tuple[DiscriminatorChoice, ...]:
        """The discriminators, one or several."""
        return self.discriminators if self.discriminator is None else (self.discriminator,)


class Recipe(_Strict):
    """A whole recipe: what it is for, and its two stages, of which one may be absent."""

    summary: str
    """What it is for, in one line."""
    encoder: str | None = None
    """The text encoder, where it must be a certain one; else what the data was prepared with."""
    stage1: StageSettings | None = None
    """Stage-I, which sketches small pictures."""
    stage2: StageSettings | None = None
    """Stage-II, which corrects and refines them."""

    @model_validator(mode="after")
    def _some_stage(self) -> Recipe:
        if self.stage1 is None and self.stage2 is None:
            raise ValueError("it holds neither stage1 nor stage2")
        return self


MAY_CHANGE = frozenset(
    {
        "steps",
        "epochs",
        "batch_size",
        "draw_condition",
        "log_every",
        "sample_every",
        "checkpoint_every",
        "keep_checkpoints",
        "measure_pictures",
        "eval_every",
        "eval_pictures",
        "resident_gib",
    }
)
"""Settings that may differ when a run goes on: how long it is (on which a learning rate that decays towards the end
depends), how large its batches are from then on, how often it is written down and measured, and where its pictures
lie."""
