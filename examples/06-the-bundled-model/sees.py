"""How well a fitted matching objective sees: it can teach a generator nothing that it does not see itself.

For every attribute: how often it is read right off real test pictures, off those of them that show two values which no
training picture shows together, and off pictures that a model draws, by the objective and by the judge of drawn birds.
Where the objective sees more right than the judge, the generator has learnt to please it.
"""

import argparse
from itertools import combinations
from pathlib import Path

import torch

from stackgan_cli import Pipeline
from stackgan_cli.components.component import Kind
from stackgan_cli.components.storage import load_component
from stackgan_cli.dataset.prepared import PreparedData
from stackgan_cli.evaluation.fitted_extractors import fitted_extractor
from stackgan_cli.home import existing_data
from stackgan_cli.progress import IGNORED

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("objective", type=Path, help="its folder, in DATA/objectives or in a run's folder")
parser.add_argument("--model", default="bundled", help="name or path")
parser.add_argument("--data", default="drawn-birds", help="prepared data that the judge lies beside")
parser.add_argument("--stage", type=int, choices=(1, 2), default=1)
parser.add_argument("--count", type=int, default=400, help="test pictures, and as many drawings")
parser.add_argument("--judge-option", action="append", default=[], metavar="KEY=NUMBER")
options = parser.parse_args()

data = PreparedData(existing_data(options.data))
test = data.test
places = range(min(options.count, len(test)))
attributes, stated, learnt = test.attributes, test.stated, data.train.attributes
assert attributes is not None, "the data knows no attributes"
assert learnt is not None, "the data knows no attributes"
assert stated is not None, "the data does not know what its captions state"
objective = load_component(Kind.OBJECTIVE, options.objective)[0]
judge_options = {key: int(value) for key, value in (option.split("=") for option in options.judge_option)}
judge = fitted_extractor(data, "drawn-birds-judge", judge_options, seed=0, report=IGNORED).extractor
pipeline = Pipeline.from_pretrained(options.model)


@torch.no_grad()
def read(pictures: torch.Tensor) -> dict[str, list[str]]:
    """The objective's reading of uint8 pictures."""
    logits = objective.picture(objective.sized(pictures.float().div(127.5).sub(1)))[1]
    return {
        name: [values[number] for number in scores.argmax(dim=1).tolist()]
        for (name, values), scores in zip(objective.labels.values.items(), logits, strict=True)
    }


def share(seen: dict[str, list[str]], name: str, asked: list[int]) -> str:
    """How often an attribute is seen as it should be."""
    right = sum(seen[name][place] == attributes[place][name] for place in asked)
    return f"{right / max(1, len(asked)):.0%}"


together = {pair for row in learnt for pair in combinations(sorted(row.items()), 2)}
new = [place for place in places if not together.issuperset(combinations(sorted(attributes[place].items()), 2))]
real = read(test.pictures(list(places), objective.side))
# A picture's last caption, because the first says least in many of these data.
texts = [pipeline.encode([test.captions[place][-1]]) for place in places]
drawn = torch.cat([pipeline.pixels(text, [seed], stage=options.stage) for seed, text in enumerate(texts)])
by_objective, by_judge = read(drawn), judge.attributes(drawn)
print(f"{'attribute':14}{'real':>8}{'of ' + str(len(new)) + ' new':>12}{'drawn':>8}{'by the judge':>14}")
for name in objective.labels.values:
    asked = [place for place in places if name in stated[place][-1]]
    off_real = [share(real, name, list(places)), share(real, name, new)]
    off_drawn = [share(by_objective, name, asked), share(by_judge, name, asked)]
    print(f"{name:14}{off_real[0]:>8}{off_real[1]:>12}{off_drawn[0]:>8}{off_drawn[1]:>14}")
