"""How often a model of drawn birds heeds what people ask for, by the judge of drawn birds.

Every sentence of ../challenge.jsonl, or of another such file, that does not contradict itself is drawn several times
with seeds 0, 1, ...; a drawing is right where the judge sees all that the sentence asks for. Sentences that fail most
are listed first; --sheet shows the first drawings of all of them, in the order of that file.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from stackgan_cli import Pipeline
from stackgan_cli.dataset.prepared import PreparedData
from stackgan_cli.drawing.pictures import Request
from stackgan_cli.evaluation.fitted_extractors import fitted_extractor
from stackgan_cli.home import existing_data
from stackgan_cli.pictures.sheets import sheet
from stackgan_cli.progress import IGNORED

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--model", help="name or path; the newest by default")
parser.add_argument("--data", default="drawn-birds", help="prepared data that the judge lies beside")
parser.add_argument("--from", type=Path, default=Path(__file__).parent.parent / "challenge.jsonl", dest="file")
parser.add_argument("--draws", type=int, default=4, help="drawings of each sentence")
parser.add_argument("--stage", type=int, choices=(1, 2), help="the last one by default")
parser.add_argument("--condition", choices=("mean", "sample"), help="as the model was made for by default")
parser.add_argument("--sentences", type=int, help="only so many")
parser.add_argument("--sheet", type=Path, metavar="FILE", help="a picture of what was drawn, and what is wrong with it")
parser.add_argument("--judge-option", action="append", default=[], metavar="KEY=NUMBER")
options = parser.parse_args()

lines = options.file.read_text(encoding="utf-8").splitlines()
sentences = [known for known in map(json.loads, lines) if not known.get("contradiction")][: options.sentences]
judge_options = {key: int(value) for key, value in (option.split("=") for option in options.judge_option)}
data = PreparedData(existing_data(options.data))
judge = fitted_extractor(data, "drawn-birds-judge", judge_options, seed=0, report=IGNORED).extractor
pipeline = Pipeline.from_pretrained(options.model, condition=options.condition)

right: list[int] = []
shown: list[tuple[str, Image.Image, str]] = []
for known in sentences:
    requests = [Request(known["prompt"], seed) for seed in range(options.draws)]
    drawn = [each.picture for each in pipeline.draw_all(requests, stage=options.stage)]
    seen = judge.attributes(torch.from_numpy(np.stack([np.asarray(each) for each in drawn])).permute(0, 3, 1, 2))
    wrong = [
        [name.removesuffix("_colour") for name, value in known["asks"].items() if seen[name][draw] != value]
        for draw in range(options.draws)
    ]
    right.append(wrong.count([]))
    shown.append((known["prompt"], drawn[0], ", ".join(wrong[0]) or "right"))

for hits, known in sorted(zip(right, sentences, strict=True), key=lambda each: each[0]):
    if hits < options.draws:
        print(f"{hits} of {options.draws}  {known['prompt']}")
print(f"{sum(right) / len(right) / options.draws:.1%} of {len(right)} sentences x {options.draws} drawings are right")
if options.sheet:
    rows = [(prompt, [picture]) for prompt, picture, _ in shown]
    sheet(rows, side=128, labels=[[words] for *_, words in shown]).save(options.sheet)
