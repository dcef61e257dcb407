"""What goes into the API and what comes out of it, checked to the bottom and described in its OpenAPI page."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from stackgan_cli.randomness import LARGEST_SEED

MOST_CHARACTERS = 1000
"""Of a sentence."""
MOST_PICTURES = 16
"""Of one request."""
MOST_FRAMES = 32
"""Of one way."""
MOST_STOPS = 8
"""Sentences or seeds that one way leads through."""
MOST_TRUNCATION = 10.0
"""Of the noise; no number that is drawn from N(0, 1) is larger."""

_NO_TEXT = {"Cc", "Cs", "Zl", "Zp"}
"""General categories of Unicode that no sentence holds: controls, halves of characters, ends of lines."""


def _readable(text: str) -> str:
    odd = next((each for each in text if unicodedata.category(each) in _NO_TEXT), None)
    if odd is not None:
        raise ValueError(f"the character U+{ord(odd):04X} has no place in a sentence")
    if not text.strip():
        raise ValueError("the sentence is empty")
    return text


Sentence = Annotated[
    str,
    # Before anything else looks at it, because only so the text itself is measured.
    Field(max_length=MOST_CHARACTERS, description="What to draw, in one line.", examples=["a small red bird"]),
    AfterValidator(_readable),
]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Stage = Annotated[
    Literal[1, 2] | None, Field(description="1 for the sketch alone; by default the last stage that is trained.")
]
Condition = Annotated[
    Literal["mean", "sample"] | None,
    Field(
        description="Draw with the mean of the conditioning distribution, or with a sample of it as in the paper; by"
        " default as the model was made for."
    ),
]
Truncation = Annotated[
    float | None,
    Field(
        gt=0,
        le=MOST_TRUNCATION,
        description="Largest number in the noise: smaller, more usual and more alike; by default as in training.",
    ),
]
Name = Annotated[
    str | None,
    Field(max_length=200, description="As GET /api/models names it; by default the one that the server began with."),
]
Notes = Annotated[
    list[str], Field(description="What the model cannot read of a sentence, or never met, or cannot be given.")
]


class _Request(BaseModel):
    """What all requests share: nothing is converted, and what means nothing is refused."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    model: Name = None
    stage: Stage = None
    condition: Condition = None
    truncation: Truncation = None


class GenerateRequest(_Request):
    """Pictures of one sentence."""

    prompt: Sentence
    seed: Seed | None = Field(None, description="Of the first picture, the others count on; drawn by lot if absent.")
    count: int = Field(1, ge=1, le=MOST_PICTURES, description="Pictures to draw.")


class InterpolateRequest(_Request):
    """The way from one sentence, or from one seed, to another."""

    prompts: list[Sentence] = Field(min_length=1, max_length=MOST_STOPS, examples=[["a red bird", "a blue bird"]])
    seeds: list[Seed] | None = Field(
        None,
        min_length=1,
        max_length=MOST_STOPS,
        description="One for all sentences, or one each; by lot if absent.",
    )
    frames: int = Field(9, ge=2, le=MOST_FRAMES, description="Pictures on the way, its ends included.")
    animation: Literal["gif", "webp"] | None = Field(None, description="Also give the way as one animated file.")


class PictureFile(BaseModel):
    """A file that says of itself how it was drawn, as those of ``stackgan generate`` do."""

    name: str = Field(description="That the file may be kept under.", examples=["a-small-red-bird-7.png"])
    side: int = Field(description="In pixels.")
    content: str = Field(json_schema_extra={"contentEncoding": "base64"})


class _Answer(BaseModel):
    """What all answers say of how something was drawn."""

    model: str
    fingerprint: str = Field(description="Of the model's weights.")
    stage: int
    condition: Condition
    truncation: Truncation


class DrawnPicture(_Answer):
    """A picture, and all that draws it again."""

    prompt: str
    seed: int
    file: PictureFile
    sketch: PictureFile | None = Field(description="What Stage-I drew, where Stage-II drew the picture.")


class GenerateAnswer(BaseModel):
    """Pictures in the order of their seeds."""

    pictures: list[DrawnPicture]
    notes: Notes


class InterpolateAnswer(_Answer):
    """Pictures at equal distances."""

    prompts: list[str]
    seeds: list[int]
    frames: list[PictureFile]
    animation: PictureFile | None
    notes: Notes


class OfferedModel(BaseModel):
    """A model that can be drawn with."""

    name: str
    stages: list[int]
    sides: list[int] = Field(description="Of the pictures of each stage, in pixels.")


class Limits(BaseModel):
    """The most that one request may ask for."""

    characters: int = MOST_CHARACTERS
    pictures: int = MOST_PICTURES
    frames: int = MOST_FRAMES
    stops: int = MOST_STOPS
    truncation: float = MOST_TRUNCATION


class Models(BaseModel):
    """What can be drawn with; the first is the one that the server began with."""

    models: list[OfferedModel]
    limits: Limits


class Health(BaseModel):
    """How the server is."""

    status: Literal["ok"]
    version: str
    waiting: int = Field(description="Requests that wait or are being drawn.")


class Fault(BaseModel):
    """Why a request was not done."""

    message: str
    hint: str | None = Field(description="What to do about it.")
