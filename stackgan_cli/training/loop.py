"""The training loop, and the update that it makes: StackGAN's two players, read from top to bottom.

A step trains the discriminators on three kinds of pair and the generator to fool them (Zhang et al. 2016, section 3.3):

    L_D = -E[log D(real, right text)] - 1/2 E[log(1 - D(real, wrong text))] - 1/2 E[log(1 - D(generated, right text))]
    L_G = -E[log D(generated, right text)] + lambda KL(N(mu(text), sigma(text)) || N(0, I))

The paper minimises log(1 - D) for the generator; the published code, and everyone since, takes the non-saturating form
above, whose gradient does not vanish while the discriminator is winning (Goodfellow et al. 2014, section 3). Whatever a
recipe adds (penalties, augmentation, matching) comes in as objectives.

The loop prints nothing and saves nothing. No line of a step waits for the device: losses stay tensors until somebody
reads them.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from stackgan_cli.components.component import blaming
from stackgan_cli.components.protocols import (
    Augments,
    DiscriminatorTerms,
    DrawsCondition,
    GeneratorTerms,
    Pairs,
    TextFeatures,
    Update,
    WantsInputGradients,
)
from stackgan_cli.components.results import judgements_fault, pictures_fault, refuse, terms_fault
from stackgan_cli.dataset.prefetching import batches_ahead
from stackgan_cli.machine import place
from stackgan_cli.models.folder import objective_file
from stackgan_cli.randomness import generator_for
from stackgan_cli.ranks import ALONE
from stackgan_cli.training.distribution import (
    average_gradients,
    averaging_gradients,
    backward,
    keep_statistics,
    refuse_batch_of_one,
    synchronised,
)
from stackgan_cli.training.losses import discriminator_loss, generator_loss, kl_loss
from stackgan_cli.training.optimizing import Averaged, learning_rate, make_adam
from stackgan_cli.training.parts import judge_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from stackgan_cli.components.protocols import Generated, Judgement
    from stackgan_cli.dataset.batches import Batch
    from stackgan_cli.dataset.prefetching import BatchSource
    from stackgan_cli.machine import Machine
    from stackgan_cli.ranks import Ranks
    from stackgan_cli.recipes.schema import StageSettings
    from stackgan_cli.training.optimizing import Length
    from stackgan_cli.training.parts import Part, StageParts


_TRAINED_ON = "train"
"""Purpose of the noise that a step's own pictures are drawn with."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where training is after a step."""

    step: int
    """Steps trained so far, this one included."""
    losses: dict[str, Tensor]
    """Of this step, still on the device: reading one waits for it."""


def train(task: StageTask, batches: BatchSource, start: int, stop: int) -> Iterator[Progress]:
    """Train steps ``start`` to ``stop`` (exclusive), yielding after each."""
    for step, batch in enumerate(batches_ahead(batches, start, stop), start):
        yield Progress(step + 1, task.step(step, batch))


class StageTask:
    """One stage in training: its networks, optimisers and average, and the update that one step makes.

    Args:
        settings: of the stage.
        parts: its networks and objectives.
        machine: device and precision.
        length: how long the run is, for the learning rate's schedule.
        ranks: the processes that share the work.
    """

    def __init__(
        self, settings: StageSettings, parts: StageParts, machine: Machine, length: Length, ranks: Ranks = ALONE
    ) -> None:
        self.settings, self.parts, self.machine, self.length, self.ranks = settings, parts, machine, length, ranks
        self.rate_scale = 1.0
        """What the learning rates of the settings are multiplied with; lowered after a loss that was no number."""
        self.generator = self._placed(parts.generator).train()
        self.discriminators = {name: self._placed(judge).train() for name, judge in parts.judges.items()}
        modules = {name: goal for name, goal in parts.goals.items() if isinstance(goal.component, nn.Module)}
        self._objectives: dict[str, nn.Module] = {name: self._placed(goal) for name, goal in modules.items()}
        self.stage1 = None
        if parts.stage1 is not None:
            self.stage1 = self._placed(parts.stage1).requires_grad_(False)
            self.stage1.train(settings.stage1_batch_norm == "batch")
            keep_statistics(self.stage1)
        trained = {name.replace("_", " "): network for name, network in self._by_file().items()}
        networks = {"generator": self.generator, "Stage-I generator": self.stage1, **trained}
        refuse_batch_of_one(networks, settings.batch_size)
        self.averaged = Averaged(self.generator, settings.averaging)
        self.networks = {"generator": self.generator, **self._by_file()}
        """Every network that is trained or kept with the stage, by the name of its file."""
        self.averages = {"averaged": self.averaged.network}
        """Every average of one of them, likewise."""
        self.optimizers = {"generator_optimizer": make_adam(_trained(self.generator), settings.generator_optimizer)}
        """Every optimiser, likewise; its state is kept beside the weights."""
        for name, network in self._by_file().items():
            if weights := _trained(network):
                self.optimizers[f"{name}_optimizer"] = make_adam(weights, settings.discriminator_optimizer)
        # What the discriminators' half of a step teaches.
        self._judging = [optimizer for name, optimizer in self.optimizers.items() if name != "generator_optimizer"]
        self._draw: Any = self.generator
        self._judge: dict[str, Any] = dict(self.discriminators)
        self._compiled = False

    def _placed(self, part: Part) -> nn.Module:
        network: nn.Module = place(synchronised(part.component, self.ranks, self.machine.device), self.machine.device)
        return network

    def _by_file(self) -> dict[str, nn.Module]:
        judges = {judge_file(name, self.discriminators): network for name, network in self.discriminators.items()}
        return judges | {objective_file(name): module for name, module in self._objectives.items()}

    def join_ranks(self) -> None:
        """Average gradients over all ranks from now on; all of them must call this."""
        self._draw = averaging_gradients(self.generator, self.ranks)
        self._judge = {name: averaging_gradients(each, self.ranks) for name, each in self.discriminators.items()}

    def compile(self, *, cuda_graphs: bool) -> None:
        """Compile the networks, on their first steps, with torch's compiler.

        Args:
            cuda_graphs: record whole passes as CUDA graphs, which takes away what launching kernels costs.
        """
        mode = "reduce-overhead" if cuda_graphs else "default"
        for network in filter(None, (self.generator, *self.discriminators.values(), self.stage1)):
            network.compile(mode=mode)
        self._compiled = True

    def step(self, step: int, batch: Batch) -> dict[str, Tensor]:
        """Train on one batch; returns the losses as tensors, which nobody has waited for yet.

        Raises:
            ComponentError: a network or an objective fails, or gives something of another shape than it should.
        """
        self._set_rates(step)
        if self._compiled:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        waits = step < self.settings.head_start
        with self.machine.autocast(), torch.no_grad() if waits else nullcontext():
            # While it waits, no gradient of the generator is shared, and its wrapper must expect none.
            draw = self.generator if waits else self._draw
            sketch, fake = self.generate(draw, batch.text, _TRAINED_ON, step, self.ranks)
        right, wrong = self._judged_by(batch, fake)
        view = _View(self, step, batch, sketch, fake, right, wrong)
        losses = self._train_discriminators(view)
        if not waits:
            losses |= self._train_generator(view)
            self.averaged.update(step)
        return losses

    def _train_discriminators(self, view: _View) -> dict[str, Tensor]:
        """Tell real pairs from mismatched and generated ones; no gradient reaches the generator."""
        losses: dict[str, Tensor] = {}
        real, real_sketch = view.augmented(view.batch.images, "real")
        unreal, unreal_sketch = view.augmented(view.fake.images.detach(), "generated, judged")
        total = torch.zeros((), device=real.device)
        with self._eagerly(any(map(view.wants_input_gradients, self._judge))):
            for name, judge in self._judge.items():
                right, real = view.right, real.detach()
                if view.wants_input_gradients(name):
                    # A penalty on the gradient needs judgements that were made of leaves.
                    real.requires_grad_()
                    right = TextFeatures(right.sentence.detach().requires_grad_(), right.words, right.padding)
                # A real picture's features are computed once, for the right and for the wrong caption.
                with self.machine.autocast():
                    on_real, on_wrong = self._judgements(judge, name, real, [right, view.wrong], real_sketch)
                    (on_fake,) = self._judgements(judge, name, unreal, [right], unreal_sketch)
                    loss = discriminator_loss(on_real, on_wrong, on_fake, self.settings.loss)
                losses[judge_file(name, self.discriminators)] = loss.detach()
                total = total + loss
                update = view.update(right, real, unreal, {name: Pairs(on_fake, on_real, on_wrong)})
                for key, term in self._terms(view.step, update, name):
                    losses[key] = term.detach() + losses.get(key, 0.0)
                    total = total + term
        for optimizer in self._judging:
            optimizer.zero_grad(set_to_none=True)
        backward(total, self.ranks)
        # The discriminators' own gradients are averaged as they are made; an objective has no wrapper to do so.
        average_gradients([w for module in self._objectives.values() for w in _trained(module)], self.ranks)
        for optimizer in self._judging:
            optimizer.step()
        return losses

    def _train_generator(self, view: _View) -> dict[str, Tensor]:
        """Fool the discriminators that have just learnt, and keep the condition near N(0, I)."""
        # They only pass gradients on here; their own would be thrown away, and need no averaging.
        judging = [*self.discriminators.values(), *self._objectives.values()]
        learning = [weight for network in judging for weight in _trained(network)]
        for weight in learning:
            weight.requires_grad_(False)
        seen, sketch = view.augmented(view.fake.images, "generated, fooling")
        with self.machine.autocast():
            pairs = {
                name: Pairs(self._judgements(network, name, seen, [view.right], sketch)[0])
                for name, network in self.discriminators.items()
            }
            adversarial = self._fooling({name: pair.generated for name, pair in pairs.items()})
            kl = kl_loss(view.fake, self.settings.kl_reduction)
            total = adversarial + self.settings.kl_weight * kl
        losses = {"generator": adversarial.detach(), "kl": kl.detach()}
        with self.machine.autocast():
            for key, term in self._terms(view.step, view.update(view.right, view.batch.images, seen, pairs), None):
                losses[key] = term.detach()
                total = total + term
        optimizer = self.optimizers["generator_optimizer"]
        optimizer.zero_grad(set_to_none=True)
        backward(total, self.ranks)
        optimizer.step()
        for weight in learning:
            weight.requires_grad_(True)
        return losses

    def _fooling(self, judgements: Mapping[str, Judgement]) -> Tensor:
        """The generator's adversarial loss over all discriminators, by their weights."""
        losses = [
            self.parts.judges[name].weight * generator_loss(judged, self.settings.loss)
            for name, judged in judgements.items()
        ]
        return torch.stack(losses).sum() if len(losses) > 1 else losses[0]

    def _judgements(
        self, judge: Any, name: str, images: Tensor, texts: Sequence[TextFeatures], sketch: Tensor | None
    ) -> Sequence[Judgement]:
        described = self.parts.judges[name].described
        with blaming(described, "judging pictures"):
            judged: Sequence[Judgement] = judge(images, texts, sketch)
        refuse(described, judgements_fault(judged, len(texts), len(images)))
        return judged

    def _terms(self, step: int, update: Update, judge: str | None) -> Iterator[tuple[str, Tensor]]:
        """Terms that the due objectives add: for a discriminator, or for the generator where there is none."""
        for name, goal in self.parts.goals.items():
            if not goal.is_due(step) or (judge is not None and not goal.concerns(judge)):
                continue
            with blaming(goal.described, "measuring its loss"):
                if judge is None:
                    given = goal.component.generator_terms(update) if isinstance(goal.component, GeneratorTerms) else {}
                elif isinstance(goal.component, DiscriminatorTerms):
                    given = goal.component.discriminator_terms(update)
                else:
                    given = {}
            refuse(goal.described, terms_fault(given))
            yield from ((f"{name}.{key}" if key else name, goal.weight * term) for key, term in given.items())

    def _eagerly(self, wanted: bool) -> AbstractContextManager[object]:
        """Run compiled networks as they are written: a compiled one has no second derivative."""
        return torch.compiler.set_stance("force_eager") if wanted and self._compiled else nullcontext()

    def _judged_by(self, batch: Batch, fake: Generated) -> tuple[TextFeatures, TextFeatures]:
        """What the discriminators read of the right and of the wrong captions."""
        if self.settings.judge_by == "text" or fake.condition is None:
            return batch.text, batch.wrong_text
        right = fake.condition.detach()
        # The port takes the next picture's condition for the wrong one (miscc/utils.py), without a look at its class.
        following = self.ranks.own(self.ranks.all_rows(right).roll(-1, dims=0))
        return TextFeatures(right), TextFeatures(following)

    def _set_rates(self, step: int) -> None:
        for name, optimizer in self.optimizers.items():
            of_generator = name == "generator_optimizer"
            settings = self.settings.generator_optimizer if of_generator else self.settings.discriminator_optimizer
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(settings, step, self.length) * self.rate_scale

    def generate(
        self,
        draw: Any,
        text: TextFeatures,
        purpose: str,
        step: int,
        ranks: Ranks = ALONE,
        *,
        condition_of: str | None = None,
    ) -> tuple[Tensor | None, Generated]:
        """Draw pictures for texts with noise that belongs to the step and the purpose.

        Args:
            draw: the stage's generator, its average, or either in a wrapper.
            text: features of one caption per picture.
            purpose: what the pictures are for.
            step: the step they are for.
            ranks: the processes whose texts together are the batch that noise is drawn for.
            condition_of: another purpose of the step, whose noise draws the condition where some of the noise does.

        Returns:
            The Stage-I pictures where this is Stage-II, and what the stage's generator made.
        """
        count = len(text.sentence) * ranks.count
        stages = [(self.generator, "")] if self.stage1 is None else [(self.stage1, " stage1"), (self.generator, "")]
        noises = []
        for generator, suffix in stages:
            noise = self._noise(generator, count, f"{purpose}{suffix}", step, ranks)
            if condition_of is not None and isinstance(generator, DrawsCondition):
                columns = generator.condition_noise
                noise[:, columns] = self._noise(generator, count, f"{condition_of}{suffix}", step, ranks)[:, columns]
            noises.append(noise)
        return self.drawn(draw, text, noises)

    def drawn(self, draw: Any, text: TextFeatures, noises: Sequence[Tensor]) -> tuple[Tensor | None, Generated]:
        """Draw pictures as :meth:`generate` does, with given noise of every stage up to this one."""
        *for_sketch, noise = noises
        described = self.parts.generator.described
        sketch: Tensor | None = None
        if self.stage1 is not None and self.parts.stage1 is not None:
            with torch.no_grad(), blaming(self.parts.stage1.described, "sketching pictures"):
                sketch = self.stage1(*for_sketch, text).images
        with blaming(described, "drawing pictures"):
            generated = draw(noise, text) if sketch is None else draw(sketch, noise, text)
        side = self.settings.resolution
        refuse(described, pictures_fault(generated, (len(text.sentence), 3, side, side)))
        return sketch, generated

    @torch.no_grad()
    def sample(self, text: TextFeatures, purpose: str) -> Tensor:
        """Draw pictures for texts with the averaged generator; noise belongs to the purpose, the same at every step."""
        with self.machine.autocast():
            return self.generate(self.averaged.network, text, purpose, 0)[1].images

    def _noise(self, generator: nn.Module, count: int, purpose: str, step: int, ranks: Ranks) -> Tensor:
        width = int(generator.noise_width)  # type: ignore[arg-type]  # part of the generators' protocol
        draw = generator_for(self.settings.seed, purpose, step)
        return ranks.own(torch.randn(count, width, generator=draw)).to(self.machine.device, non_blocking=True)


class _View:
    """One step, as its halves and the objectives see it."""

    def __init__(
        self,
        task: StageTask,
        step: int,
        batch: Batch,
        sketch: Tensor | None,
        fake: Generated,
        right: TextFeatures,
        wrong: TextFeatures,
    ) -> None:
        self.step, self.batch, self.sketch, self.fake, self.right, self.wrong = step, batch, sketch, fake, right, wrong
        self._task = task
        due = [goal for goal in task.parts.goals.values() if goal.is_due(step)]
        self._penalties = [
            goal for goal in due if isinstance(goal.component, WantsInputGradients) and goal.component.input_gradients
        ]

    def wants_input_gradients(self, judge: str) -> bool:
        """Whether an objective will differentiate what a discriminator makes of the real pictures."""
        return any(goal.concerns(judge) for goal in self._penalties)

    def augmented(self, images: Tensor, purpose: str) -> tuple[Tensor, Tensor | None]:
        """Pictures as the discriminators see them, and the sketch that belongs to them."""
        sketch = self.sketch
        for name, goal in self._task.parts.goals.items():
            if isinstance(goal.component, Augments) and goal.is_due(self.step):
                with blaming(goal.described, "augmenting pictures"):
                    images, sketch = goal.component.augment(images, sketch, self._random(f"{name}, {purpose}"))
        return images, sketch

    def update(self, right: TextFeatures, real: Tensor, seen: Tensor, pairs: Mapping[str, Pairs]) -> Update:
        """The view that objectives get, in the discriminators' half or in the generator's."""
        return Update(
            step=self.step,
            text=self.batch.text,
            right=right,
            wrong=self.wrong,
            real=real,
            generated=self.fake,
            seen=seen,
            sketch=self.sketch,
            pairs=pairs,
            judge={name: partial(self._judge, name) for name in pairs},
            draw=self._draw,
            vary=self._vary,
            fooling=self._fooling,
            random=self._random,
            ranks=self._task.ranks,
        )

    def _judge(
        self, name: str, images: Tensor, texts: Sequence[TextFeatures], sketch: Tensor | None = None
    ) -> Sequence[Judgement]:
        task = self._task
        with task.machine.autocast():
            return task._judgements(task.discriminators[name], name, images, texts, sketch)

    def _draw(self, text: TextFeatures, purpose: str) -> Generated:
        with self._task.machine.autocast():
            return self._task.generate(self._task.generator, text, purpose, self.step, self._task.ranks)[1]

    def _vary(self, purpose: str) -> Generated:
        task, text = self._task, self.batch.text
        with task.machine.autocast():
            return task.generate(task.generator, text, purpose, self.step, task.ranks, condition_of=_TRAINED_ON)[1]

    def _fooling(self, images: Tensor, text: TextFeatures) -> Tensor:
        judged = {name: self._judge(name, images, [text], self.sketch)[0] for name in self._task.discriminators}
        return self._task._fooling(judged)

    def _random(self, purpose: str) -> torch.Generator:
        return generator_for(self._task.settings.seed, purpose, self.step, self._task.ranks.rank)


def _trained(network: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in network.parameters() if parameter.requires_grad]
