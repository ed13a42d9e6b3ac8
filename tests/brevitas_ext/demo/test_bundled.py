from pathlib import Path

import pytest
import torch

from brevitas_ext.arith import a2q_l1_budget, dot_extremes, signed_bits
from brevitas_ext.demo import CLASS_NAMES, HIDDEN_CONVS, load_images, load_model, metadata
from brevitas_ext.demo.bundled import assets_folder, first_of_each_class
from brevitas_ext.demo.training import count_correct


@pytest.mark.parametrize("variant", ["qat", "a2q"])
def test_bundled_network_is_as_right_as_recorded(variant):
    images, labels = load_images()
    recorded = metadata()["variants"][variant]
    assert len(images) == recorded["bundled_images"]
    assert count_correct(load_model(variant), images, labels) == recorded["bundled_correct"]


def test_bundled_images_are_balanced():
    images, labels = load_images()
    assert images.dtype == torch.uint8
    assert images.shape[1:] == (3, 32, 32)
    assert torch.bincount(labels).tolist() == [metadata()["images_per_class"]] * len(CLASS_NAMES)
    # The first images of CIFAR-10's test set, whose classes are public: cat, ship, ship, airplane, frog.
    assert [CLASS_NAMES[label] for label in labels[:5]] == ["cat", "ship", "ship", "airplane", "frog"]


def test_no_partial_sum_of_the_a2q_network_leaves_its_target():
    model = load_model("a2q")
    target = model.config.accumulator_bits
    budget = a2q_l1_budget(target, model.config.activation_bits, input_signed=False)
    for name in HIDDEN_CONVS:
        integers = model.get_submodule(name).quant_weight().int().flatten(1).numpy()
        lowest, highest = dot_extremes(integers, 0, 15, partial_sums=True)
        assert signed_bits(min(lowest), max(highest)) <= target
        assert abs(integers).sum(axis=1).max() <= budget


def test_qat_network_needs_wider_accumulators_than_the_a2q_network_grants():
    needed = metadata()["variants"]["qat"]["accumulator_bits_needed"]
    assert min(needed.values()) > load_model("a2q").config.accumulator_bits


def test_both_networks_were_trained_by_the_same_schedule():
    variants = metadata()["variants"]
    recipes = [dict(variants[name]["recipe"]) for name in ("qat", "a2q")]
    for recipe in recipes:
        del recipe["penalty_weight"]
    assert recipes[0] == recipes[1]


def test_assets_stay_small():
    assert sum(path.stat().st_size for path in Path(assets_folder()).iterdir()) < 2_000_000


def test_first_of_each_class_chooses_by_index():
    labels = torch.tensor([*range(10), 9, *range(10)])
    assert first_of_each_class(labels, 1).tolist() == list(range(10))
    assert first_of_each_class(labels, 2).tolist() == [*range(10), 10, *range(11, 20)]
    with pytest.raises(ValueError, match="expected 3 images of airplane, found 2"):
        first_of_each_class(labels, 3)


def test_an_unknown_variant_is_refused():
    with pytest.raises(ValueError, match="expected 'qat' or 'a2q'"):
        load_model("float")
