"""The adversarial update: discriminator on three kinds of pair, generator to fool it, the average follows."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from stackgan_cli.components.protocols import Generated, TextFeatures
from stackgan_cli.machine import place
from stackgan_cli.randomness import generator_for
from stackgan_cli.ranks import ALONE
from stackgan_cli.training.averaging import Averaged
from stackgan_cli.training.distribution import averaging_gradients, synchronised
from stackgan_cli.training.losses import discriminator_loss, generator_loss, kl_loss
from stackgan_cli.training.optimizers import learning_rate, make_adam
from stackgan_cli.training.regularisers import matching_aware_penalty

if TYPE_CHECKING:
    from torch import Tensor, nn

    from stackgan_cli.dataset.batches import Batch
    from stackgan_cli.machine import Machine
    from stackgan_cli.ranks import Ranks
    from stackgan_cli.recipes.schema import OptimizerSettings, StageSettings


@dataclass(frozen=True, slots=True)
class Length:
    """How long a run is."""

    steps: int
    steps_per_epoch: int


class StageTask:
    """One stage in training: its networks, optimisers and average, and the update that one step makes.

    Args:
        settings: of the stage.
        generator: the stage's generator.
        discriminator: the stage's discriminator.
        machine: device and precision.
        length: how long the run is, for the learning rate's schedule.
        stage1: the frozen Stage-I generator where this is Stage-II.
        ranks: the processes that share the work.
    """

    def __init__(
        self,
        settings: StageSettings,
        generator: nn.Module,
        discriminator: nn.Module,
        machine: Machine,
        length: Length,
        stage1: nn.Module | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.settings, self.machine, self.length, self.ranks = settings, machine, length, ranks
        self.generator = place(synchronised(generator, ranks, machine.device), machine.device).train()
        self.discriminator = place(synchronised(discriminator, ranks, machine.device), machine.device).train()
        self._draw, self._judge = self.generator, self.discriminator
        self.averaged = Averaged(self.generator, settings.averaging)
        self.stage1 = None
        if stage1 is not None:
            self.stage1 = place(synchronised(stage1, ranks, machine.device), machine.device).requires_grad_(False)
            self.stage1.train(settings.stage1_batch_norm == "batch")
        self.generator_optimizer = make_adam(self.generator, settings.generator_optimizer)
        self.discriminator_optimizer = make_adam(self.discriminator, settings.discriminator_optimizer)
        self._compiled = False
        self.rate_scale = 1.0
        """What the learning rates of the settings are multiplied with; lowered after a loss that was no number."""

    def join_ranks(self) -> None:
        """Average gradients over all ranks from now on; all of them must call this."""
        self._draw = averaging_gradients(self.generator, self.ranks)
        self._judge = averaging_gradients(self.discriminator, self.ranks)

    def compile(self, *, cuda_graphs: bool) -> None:
        """Compile the networks, on their first steps, with torch's compiler.

        Args:
            cuda_graphs: record whole passes as CUDA graphs, which takes away what launching kernels costs.
        """
        mode = "reduce-overhead" if cuda_graphs else "default"
        for network in filter(None, (self.generator, self.discriminator, self.stage1)):
            network.compile(mode=mode)
        self._compiled = True

    def step(self, step: int, batch: Batch) -> dict[str, Tensor]:
        """Train on one batch; returns the losses as tensors, which nobody has waited for yet."""
        self._set_rate(self.generator_optimizer, self.settings.generator_optimizer, step)
        self._set_rate(self.discriminator_optimizer, self.settings.discriminator_optimizer, step)
        if self._compiled:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        with self.machine.autocast():
            sketch, fake = self.generate(self._draw, batch.text, "train", step, self.ranks)
            right, wrong = self._judged_by(batch, fake)
        losses = self._train_discriminator(step, batch, sketch, fake, right, wrong)
        losses |= self._train_generator(sketch, fake, right)
        self.averaged.update(step)
        return losses

    def generate(
        self, draw: Any, text: TextFeatures, purpose: str, step: int, ranks: Ranks = ALONE
    ) -> tuple[Tensor | None, Generated]:
        """Draw pictures for texts with noise that belongs to the step and the purpose.

        Args:
            draw: the stage's generator, its average, or either in a wrapper.
            text: features of one caption per picture.
            purpose: what the pictures are for.
            step: the step they are for.
            ranks: the processes whose texts together are the batch that noise is drawn for.

        Returns:
            The Stage-I pictures where this is Stage-II, and what the stage's generator made.
        """
        count = len(text.sentence) * ranks.count
        noise = self._noise(self.generator, count, purpose, step, ranks)
        if self.stage1 is None:
            return None, draw(noise, text)
        with torch.no_grad():
            sketch = self.stage1(self._noise(self.stage1, count, f"{purpose} stage1", step, ranks), text).images
        return sketch, draw(sketch, noise, text)

    @torch.no_grad()
    def sample(self, text: TextFeatures, purpose: str) -> Tensor:
        """Draw pictures for texts with the averaged generator; noise belongs to the purpose, the same at every step."""
        with self.machine.autocast():
            return self.generate(self.averaged.network, text, purpose, 0)[1].images

    @torch.no_grad()
    def try_out(self, text: TextFeatures) -> None:
        """Run the generator that is trained once."""
        with self.machine.autocast():
            self.generate(self.generator, text, "try out", 0)

    def _train_discriminator(
        self,
        step: int,
        batch: Batch,
        sketch: Tensor | None,
        fake: Generated,
        right: TextFeatures,
        wrong: TextFeatures,
    ) -> dict[str, Tensor]:
        penalty = self.settings.gradient_penalty
        penalised = penalty.weight > 0 and step % penalty.every == 0
        images, sentence = batch.images, right.sentence
        if penalised:
            images = images.detach().requires_grad_()
            sentence = sentence.detach().requires_grad_()
            right = TextFeatures(sentence, right.words, right.padding)
        # A compiled network has no second derivative, so penalised steps run as written.
        eager = torch.compiler.set_stance("force_eager") if penalised and self._compiled else nullcontext()
        with eager, self.machine.autocast():
            real_right, real_wrong = self._judge(images, [right, wrong], sketch)
            (fake_right,) = self._judge(fake.images.detach(), [right], sketch)
            loss = discriminator_loss(real_right, real_wrong, fake_right, self.settings.loss)
        losses = {"discriminator": loss.detach()}
        if penalised:
            term = penalty.weight * matching_aware_penalty(real_right, images, sentence, penalty.power)
            losses["penalty"] = term.detach()
            loss = loss + term
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.discriminator_optimizer.step()
        return losses

    def _train_generator(self, sketch: Tensor | None, fake: Generated, right: TextFeatures) -> dict[str, Tensor]:
        # The discriminator only passes gradients on here; its own would be thrown away, and need no averaging.
        self.discriminator.requires_grad_(False)
        with self.machine.autocast():
            (judgement,) = self.discriminator(fake.images, [right], sketch)
            adversarial = generator_loss(judgement, self.settings.loss)
            kl = kl_loss(fake, self.settings.kl_reduction)
            loss = adversarial + self.settings.kl_weight * kl
        self.generator_optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.generator_optimizer.step()
        self.discriminator.requires_grad_(True)
        return {"generator": adversarial.detach(), "kl": kl.detach()}

    def _judged_by(self, batch: Batch, fake: Generated) -> tuple[TextFeatures, TextFeatures]:
        """What the discriminator reads of the right and of the wrong captions."""
        if self.settings.judge_by == "text" or fake.condition is None:
            return batch.text, batch.wrong_text
        right = fake.condition.detach()
        # The port takes the next picture's condition for the wrong one (miscc/utils.py), without a look at its class.
        following = self.ranks.own(self.ranks.all_rows(right).roll(-1, dims=0))
        return TextFeatures(right), TextFeatures(following)

    def _noise(self, generator: nn.Module, count: int, purpose: str, step: int, ranks: Ranks) -> Tensor:
        width = int(generator.noise_width)  # type: ignore[arg-type]  # part of the generators' protocol
        draw = generator_for(self.settings.seed, purpose, step)
        return ranks.own(torch.randn(count, width, generator=draw)).to(self.machine.device, non_blocking=True)

    def _set_rate(self, optimizer: torch.optim.Optimizer, settings: OptimizerSettings, step: int) -> None:
        for group in optimizer.param_groups:
            rate = learning_rate(settings, step, self.length.steps, self.length.steps_per_epoch)
            group["lr"] = rate * self.rate_scale
