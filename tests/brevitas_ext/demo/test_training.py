from dataclasses import replace

import pytest
import torch

from brevitas_ext.demo.model import DemoConfig, build_model
from brevitas_ext.demo.training import Recipe, Trainer, augment, count_correct, pool_before_activation

RECIPE = Recipe(epochs=2, learning_rate=1e-2, batch_size=2, warmup=0.5)


def new_trainer(recipe: Recipe = RECIPE) -> Trainer:
    torch.manual_seed(3)
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (9, 3, 32, 32), dtype=torch.uint8, generator=random)
    labels = torch.randint(0, 10, (9,), generator=random)
    return Trainer(build_model(DemoConfig(variant="qat")), images, labels, recipe)


def test_an_interrupted_training_ends_with_the_same_bits(tmp_path):
    whole = new_trainer()
    whole.run_epoch()
    whole.run_epoch()

    interrupted = new_trainer()
    interrupted.run_epoch()
    interrupted.save(tmp_path / "state")
    torch.manual_seed(99)
    continued = new_trainer()
    continued.resume(tmp_path / "state")
    assert continued.epoch == 1
    continued.run_epoch()

    assert continued.mean_losses == whole.mean_losses
    first, second = whole.model.state_dict(), continued.model.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    after_one = interrupted.model.state_dict()
    assert not torch.equal(after_one["conv2.weight"], first["conv2.weight"])


def test_a_state_of_another_recipe_is_refused(tmp_path):
    trainer = new_trainer()
    trainer.save(tmp_path / "state")
    with pytest.raises(ValueError, match=r"learning_rate=0\.02"):
        new_trainer(replace(RECIPE, learning_rate=0.02)).resume(tmp_path / "state")


def test_saving_leaves_only_the_state(tmp_path):
    trainer = new_trainer()
    trainer.save(tmp_path / "state")
    trainer.save(tmp_path / "state")
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_an_epoch_reports_every_step():
    seen = []
    new_trainer().run_epoch(seen.append)
    assert [(progress.epoch, progress.step) for progress in seen] == [(0, 0), (0, 1), (0, 2), (0, 3)]


def test_augmented_images_are_moved_and_mirrored_copies():
    images = torch.randint(1, 256, (64, 3, 6, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    moved = augment(images, torch.Generator().manual_seed(1), shift=1)
    assert moved.shape == images.shape
    found = set()
    for before, after in zip(images, moved, strict=True):
        matches = [
            (down, right, mirrored)
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
            for mirrored in (False, True)
            if torch.equal(after, moved_by_hand(before, down, right, mirrored=mirrored))
        ]
        assert len(matches) == 1
        found.update(matches)
    assert len(found) > 12  # of the 18 possible ones


def moved_by_hand(image: torch.Tensor, down: int, right: int, *, mirrored: bool) -> torch.Tensor:
    _, height, width = image.shape
    result = torch.zeros_like(image)
    for y in range(height):
        for x in range(width):
            if 0 <= y - down < height and 0 <= x - right < width:
                result[:, y, x] = image[:, y - down, x - right]
    return result.flip(2) if mirrored else result


def test_pooling_before_the_activation_changes_no_bit():
    trainer = new_trainer()
    x = trainer.images / 255
    reordered = pool_before_activation(trainer.model.eval())
    names = [type(layer).__name__ for layer in reordered]
    assert names[3:5] == ["MaxPool2d", "QuantReLU"]
    assert len(names) == len(trainer.model)
    assert torch.equal(reordered(x), trainer.model(x))


def test_a_penalty_adds_to_the_loss_by_its_weight():
    still = replace(RECIPE, learning_rate=1e-12)
    plain, other = new_trainer(still), new_trainer(still)
    plain.run_epoch()
    recipe = replace(still, penalty_weight=0.5)
    penalized = Trainer(
        other.model, other.images, other.labels, recipe, penalty=lambda model: 8 + 0 * model.conv1.weight.sum()
    )
    penalized.run_epoch()
    assert round(penalized.mean_losses[0] - plain.mean_losses[0], 3) == 4


def test_the_network_is_handed_over_after_every_step():
    trainer = new_trainer()
    seen = []
    trainer.after_step = seen.append
    trainer.run_epoch()
    assert seen == [trainer.model] * 4


def test_correct_images_are_counted_in_eval_mode():
    trainer = new_trainer()
    predictions = torch.cat([trainer.model.eval()(image[None] / 255).argmax(1) for image in trainer.images.float()])
    labels = predictions.clone()
    labels[4] = (labels[4] + 1) % 10
    trainer.model.train()
    assert count_correct(trainer.model, trainer.images, labels) == 8


@pytest.mark.parametrize("options", [{"epochs": 0}, {"learning_rate": 0.0}, {"batch_size": -1}, {"warmup": 1.0}])
def test_a_recipe_without_meaning_is_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Recipe(**{"epochs": 1, "learning_rate": 0.1} | options)


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="at least 10 images, found 9"):
        new_trainer(replace(RECIPE, batch_size=10))


def test_a_weight_without_a_penalty_is_refused():
    with pytest.raises(ValueError, match="give both or neither"):
        new_trainer(replace(RECIPE, penalty_weight=1e-3))


def test_a_schedule_without_a_warm_up_is_refused():
    with pytest.raises(ValueError, match=r"0\.1 of 8: train for longer"):
        new_trainer(replace(RECIPE, warmup=0.1))
