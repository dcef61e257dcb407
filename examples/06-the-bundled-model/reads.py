"""What a text encoder keeps of sentences about birds, read back from its sentence vectors by a probe.

A small network for each attribute learns, from captions of the training split that state it, to tell its value. It is
then asked about captions of the test split, and about the sentences of ../challenge.jsonl that do not contradict
themselves. "All right" means: everything that the sentence states is read right.

With --model, what is read is the condition that the model's Stage-I draws from the sentence vector (conditioning
augmentation), which is all that its generator is told: a generator cannot heed in training what the samples do not
keep.
"""

import argparse
import json
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from stackgan_cli import Pipeline
from stackgan_cli.components.component import Kind
from stackgan_cli.components.storage import load_component
from stackgan_cli.dataset.prepared import PreparedData, Split
from stackgan_cli.drawn_birds.attributes import HELD_OUT
from stackgan_cli.home import existing_data

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--data", default="drawn-birds", help="prepared data")
parser.add_argument("--encoder", help="text encoder; the data's first by default")
parser.add_argument("--pictures", type=int, default=6000, help="training pictures whose captions the probe learns from")
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--model", help="name or path: read the condition of its Stage-I in place of sentence vectors")
parser.add_argument("--condition", choices=("mean", "sample"), default="sample", help="of the condition's distribution")
options = parser.parse_args()

data = PreparedData(existing_data(options.data))
folder = data.encoder_folder(options.encoder)
encoder, _ = load_component(Kind.TEXT_ENCODER, folder)
if data.train.attributes is None or data.test.attributes is None:
    raise SystemExit(f"{options.data} knows no attributes of its pictures.")
values = {name: sorted({known[name] for known in data.train.attributes}) for name in sorted(data.train.attributes[0])}
augmentation = Pipeline.from_pretrained(options.model).generator(1).augmentation if options.model else None
draw = torch.Generator().manual_seed(0)


@torch.no_grad()
def told(vectors: torch.Tensor) -> torch.Tensor:
    """What a generator is told of sentence vectors: these, or a condition for each of them."""
    if augmentation is None:
        return vectors
    noise = torch.randn(len(vectors), augmentation.linear.out_features // 2, generator=draw)
    drawn = augmentation(vectors, noise)
    return drawn.mean if options.condition == "mean" else drawn.value


def captions(split: Split, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What is told of captions, numbers of attributes' values (-1 where a caption is silent), the pictures' rows."""
    rows = torch.randperm(len(split), generator=torch.Generator().manual_seed(0))[:count]
    features, vectors, targets = split.features(folder), [], []
    for caption in range(min(map(len, split.captions))):
        vectors.append(features.at(rows, torch.full((len(rows),), caption)).sentence)
        for row in rows.tolist():
            truth, stated = split.attributes[row], split.stated[row][caption]
            targets.append([each.index(truth[name]) if name in stated else -1 for name, each in values.items()])
    return told(torch.cat(vectors)), torch.tensor(targets), rows.repeat(len(vectors))


vectors, targets, _ = captions(data.train, options.pictures)
torch.manual_seed(0)
probes = nn.ModuleList(
    nn.Sequential(nn.Linear(vectors.shape[1], 256), nn.ReLU(), nn.Linear(256, len(each))) for each in values.values()
)
optimizer = torch.optim.AdamW(probes.parameters(), lr=2e-3)
for _ in range(options.epochs):
    for batch in torch.randperm(len(vectors)).split(512):
        read = enumerate(probe(vectors[batch]) for probe in probes)
        losses = [F.cross_entropy(scores, targets[batch, at], ignore_index=-1) for at, scores in read]
        optimizer.zero_grad()
        torch.stack(losses).nansum().backward()
        optimizer.step()

with torch.no_grad():
    vectors, targets, rows = captions(data.test, len(data.test))
    read = torch.stack([probe(vectors).argmax(1) for probe in probes], dim=1)
    right = ((read == targets) | (targets < 0)).all(1)
    held = [(known["body_colour"], known["wing_colour"]) in HELD_OUT for known in data.test.attributes]
    unseen = torch.tensor(held)[rows]
    print(f"captions of pairs of colours that are painted: {right[~unseen].float().mean():.1%} all right")
    if unseen.any():
        print(f"captions of pairs that are held out: {right[unseen].float().mean():.1%} all right")
    stated = targets >= 0
    shares = ((read == targets) & stated).sum(0) / stated.sum(0)
    print("of what they state:", ", ".join(f"{name} {share:.0%}" for name, share in zip(values, shares, strict=True)))
    lines = (Path(__file__).parent.parent / "challenge.jsonl").read_text(encoding="utf-8").splitlines()
    people = [known for known in map(json.loads, lines) if not known.get("contradiction")]
    vectors = told(encoder.encode([known["prompt"] for known in people]).sentence)
    guessed = {name: probe(vectors).argmax(1).tolist() for name, probe in zip(values, probes, strict=True)}
    hits = 0
    for at, known in enumerate(people):
        got = {name: values[name][guessed[name][at]] for name in known["asks"]}
        hits += got == known["asks"]
        if got != known["asks"]:
            wrong = {name: got[name] for name in got if got[name] != known["asks"][name]}
            print(f"  {known['prompt']}: {wrong}")
    print(f"sentences of people: {hits} of {len(people)} all right")
