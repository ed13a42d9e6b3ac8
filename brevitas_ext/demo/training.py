"""Training of the demonstration network: resumable after every epoch, with the same result as an uninterrupted run."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brevitas_ext.demo.model import DemoNet, to_input

_EVALUATION_BATCH = 500


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained: AdamW under a one-cycle learning rate, with flips and shifts of the images.

    Attributes:
        epochs: Passes over the training images.
        learning_rate: Peak of the one-cycle schedule.
        batch_size: Images per step; a last, smaller batch is left out.
        weight_decay: Decoupled decay of the convolution and classifier weights.
        warmup: Share of the steps before the peak.
        penalty_weight: Factor of A2Q's penalty in the loss (A2Q, section 4.1); 0 leaves it out.
        shift: Largest shift of an image in pixels, each way and direction.
        seed: Seed of everything random after the start weights.
    """

    epochs: int
    learning_rate: float
    batch_size: int = 128
    weight_decay: float = 0.02
    warmup: float = 0.25
    penalty_weight: float = 0.0
    shift: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "learning_rate", "batch_size"):
            if getattr(self, name) <= 0:
                raise ValueError(f"expected a positive {name}, found {getattr(self, name)}: give a larger one")
        if not 0 < self.warmup < 1:
            raise ValueError(f"expected a warmup between 0 and 1, found {self.warmup}: give the share of the steps")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a training stands after a step: `loss` is this step's."""

    epoch: int
    step: int
    steps_per_epoch: int
    loss: float


class Trainer:
    """Trains a network on images held in memory.

    Args:
        model: Network to train, in place.
        images: uint8 training images of shape (N, 3, 32, 32), N at least one batch.
        labels: int64 classes of shape (N,).
        recipe: How to train.
        penalty: Adds to the loss, weighted by ``recipe.penalty_weight``.
        after_step: Called with the network after each step of the optimizer.
    """

    def __init__(  # noqa: PLR0913 - a plain list of what a training consists of
        self,
        model: DemoNet,
        images: Tensor,
        labels: Tensor,
        recipe: Recipe,
        *,
        penalty: Callable[[nn.Module], Tensor] | None = None,
        after_step: Callable[[DemoNet], None] = lambda _: None,
    ) -> None:
        if len(images) < recipe.batch_size:
            raise ValueError(f"expected at least {recipe.batch_size} images, found {len(images)}: use a smaller batch")
        if (penalty is None) != (recipe.penalty_weight == 0):
            raise ValueError(
                f"expected a penalty exactly when penalty_weight is not 0, found {penalty} with "
                f"{recipe.penalty_weight}: give both or neither"
            )
        self.steps_per_epoch = len(images) // recipe.batch_size
        self._steps = recipe.epochs * self.steps_per_epoch
        if self._steps * recipe.warmup <= 1:
            raise ValueError(
                f"expected more than one warm-up step, found {recipe.warmup} of {self._steps}: train for longer"
            )
        self.model, self.images, self.labels = model, images, labels
        self._network = pool_before_activation(model)
        self.recipe, self.penalty, self.after_step = recipe, penalty, after_step
        self.epoch = 0
        self.mean_losses: list[float] = []
        self._generator = torch.Generator().manual_seed(recipe.seed)
        self._new_optimizer()

    def run_epoch(self, on_step: Callable[[Progress], None] = lambda _: None) -> None:
        """Train for one pass over the images; `on_step` is told of each step."""
        self.model.train()
        order = torch.randperm(len(self.images), generator=self._generator)
        total = 0.0
        for step in range(self.steps_per_epoch):
            chosen = order[step * self.recipe.batch_size : (step + 1) * self.recipe.batch_size]
            loss = self._step(chosen)
            total += loss
            on_step(Progress(epoch=self.epoch, step=step, steps_per_epoch=self.steps_per_epoch, loss=loss))
        self.epoch += 1
        self.mean_losses.append(total / self.steps_per_epoch)

    def save(self, path: Path) -> None:
        """Write everything the next epoch depends on; an interruption leaves the previous file whole."""
        state = {
            "recipe": asdict(self.recipe),
            "epoch": self.epoch,
            "mean_losses": self.mean_losses,
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "generator": self._generator.get_state(),
        }
        unfinished = path.with_name(path.name + ".tmp")
        torch.save(state, unfinished)
        unfinished.replace(path)

    def resume(self, path: Path) -> None:
        """Continue from a saved state.

        Raises:
            ValueError: If the state is of another recipe.
        """
        state = torch.load(path, weights_only=True)
        if state["recipe"] != asdict(self.recipe):
            raise ValueError(
                f"expected a state of {self.recipe}, found one of {state['recipe']} in {path}: "
                "remove the file or train with its recipe"
            )
        self.model.load_state_dict(state["model"])
        self._new_optimizer()  # Brevitas makes new parameters when it loads a quantizer
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._generator.set_state(state["generator"])
        self.epoch, self.mean_losses = state["epoch"], state["mean_losses"]

    def _new_optimizer(self) -> None:
        groups = _parameter_groups(self.model, self.recipe.weight_decay)
        self._optimizer = torch.optim.AdamW(groups, lr=self.recipe.learning_rate)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, self.recipe.learning_rate, self._steps, pct_start=self.recipe.warmup
        )

    def _step(self, chosen: Tensor) -> float:
        images = augment(self.images[chosen], self._generator, shift=self.recipe.shift)
        loss = F.cross_entropy(self._network(to_input(images)), self.labels[chosen])
        if self.penalty is not None:
            loss = loss + self.recipe.penalty_weight * self.penalty(self.model)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self._schedule.step()
        self.after_step(self.model)
        return loss.item()


def pool_before_activation(model: DemoNet) -> nn.Sequential:
    """Return a network of the same modules with every max pool moved before the quantized ReLU that it follows.

    A quantized ReLU is monotone, so the result is the same bit for bit, for a quarter of the activation's work; and
    among values that the activation would have made equal, the gradient goes to the largest.
    """
    layers = list(model)
    for index, layer in enumerate(layers):
        if isinstance(layer, nn.MaxPool2d):
            layers[index - 1], layers[index] = layer, layers[index - 1]
    return nn.Sequential(*layers)


def augment(images: Tensor, generator: torch.Generator, *, shift: int) -> Tensor:
    """Return each image mirrored with probability 1/2 and moved by up to `shift` pixels, black coming in.

    Args:
        images: uint8 images of shape (N, 3, H, W).
        generator: Source of the random numbers.
        shift: Largest move in pixels, in each of the four directions.

    Returns:
        Images of the same shape, in channels-last memory format, on which convolutions are faster.
    """
    count, _, height, width = images.shape
    padded = F.pad(images, (shift, shift, shift, shift))
    rows = torch.randint(2 * shift + 1, (count, 1), generator=generator) + torch.arange(height)
    columns = torch.randint(2 * shift + 1, (count, 1), generator=generator) + torch.arange(width)
    mirrored = torch.rand(count, 1, generator=generator) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    moved = padded.permute(0, 2, 3, 1)[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


@torch.no_grad()
def count_correct(model: nn.Module, images: Tensor, labels: Tensor) -> int:
    """Return how many uint8 images of shape (N, 3, 32, 32) the network, in eval mode, puts into their class."""
    model.eval()
    batches = zip(images.split(_EVALUATION_BATCH), labels.split(_EVALUATION_BATCH), strict=True)
    return sum(int((model(to_input(x)).argmax(1) == y).sum()) for x, y in batches)


def _parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    # Scales, norms and batch norm live on their own scale: pulling them towards zero would change the quantizer.
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (decayed if name.endswith(".weight") and parameter.ndim > 1 else free).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
