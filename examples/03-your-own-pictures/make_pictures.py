"""Draw a small captioned folder: one shape a picture, and its caption in metadata.jsonl beside it."""

import json
import random
import sys
from pathlib import Path

from PIL import Image, ImageDraw

COLOURS = {"red": "#d03030", "green": "#30a040", "blue": "#3060d0", "yellow": "#f0d030", "black": "#202020"}
SHAPES = ("circle", "square", "triangle")
GROUNDS = {"white": "#fafafa", "gray": "#b0b0b0"}


def draw(shape: str, colour: str, ground: str, chance: random.Random) -> Image.Image:
    """Draw one shape somewhere near the middle of a 128 px picture."""
    picture = Image.new("RGB", (128, 128), GROUNDS[ground])
    left, top, side = chance.randint(14, 40), chance.randint(14, 40), chance.randint(48, 72)
    box = (left, top, left + side, top + side)
    pen = ImageDraw.Draw(picture)
    if shape == "circle":
        pen.ellipse(box, fill=COLOURS[colour])
    elif shape == "square":
        pen.rectangle(box, fill=COLOURS[colour])
    else:
        pen.polygon([(left + side // 2, top), (left, top + side), (left + side, top + side)], fill=COLOURS[colour])
    return picture


def main(folder: Path, count: int) -> None:
    """Write the pictures and metadata.jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(0)
    with (folder / "metadata.jsonl").open("w", encoding="utf-8") as lines:
        for number in range(count):
            shape, colour, ground = (chance.choice(list(words)) for words in (SHAPES, COLOURS, GROUNDS))
            name = f"{number:04d}.png"
            draw(shape, colour, ground, chance).save(folder / name)
            captions = [
                f"a {colour} {shape}",
                f"a {shape} that is {colour} on {ground}",
                f"{colour} {shape}, {ground} ground",
            ]
            lines.write(json.dumps({"file_name": name, "captions": captions, "class": shape}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
