"""Recalibrated batch normalization: kept where held-back images prove it better, put back everywhere else."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from brevitas_ext.ptq import quantize_with_sparq, recalibrate_batch_norm
from brevitas_ext.ptq.judging import Judgement, compare_states, held_back
from brevitas_ext.ptq.running import batches_of
from tests.support.float_resnet import float_resnet, images

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def statistics(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items() if name.endswith(STATISTICS)}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, second[name]) for name, value in first.items())


def off(seed: int = 0) -> tuple[nn.Module, nn.Module]:
    """Return a network, and one whose statistics are far from what they should be."""
    network, wrong = float_resnet(seed), float_resnet(seed)
    wrong.bn.running_mean.add_(1.0)
    return network, wrong


def test_statistics_that_are_far_off_are_replaced_and_the_report_says_why() -> None:
    network, wrong = off()
    report = recalibrate_batch_norm(wrong, images(8), reference=network)
    assert report.kept and not same(statistics(wrong), statistics(off()[1]))
    assert (report.images, report.judgement.images, len(report.changes)) == (96, 32, 5)
    assert report.judgement.measure == "divergence from the float model"
    assert ": kept; mean divergence" in str(report) and "above 2 standard errors" in str(report)
    assert report.changes[0].mean_shift == pytest.approx(1 / math.sqrt(float(network.bn.running_var.min())), rel=0.5)


def test_a_gain_within_chance_is_put_back() -> None:
    network = float_resnet()
    report = recalibrate_batch_norm(network, images(2, seed=5), reference=float_resnet())
    assert not report.kept and "put back; " in str(report) and "not above" in str(report)
    assert same(statistics(network), statistics(float_resnet()))
    assert not any(module.training for module in network.modules())


def test_other_images_than_those_of_the_training_are_put_back() -> None:
    reference, other = float_resnet(), [batch * 5 + 3 for batch in images(seed=4)]
    result = quantize_with_sparq(reference, images(), recalibrate=True, recalibration_loader=other)
    report = result.report.batch_norm
    assert report is not None and not report.kept
    assert max(change.mean_shift for change in report.changes) > 0.5
    assert report.judgement.images == 32
    assert same(statistics(reference), statistics(result.model))


def test_labels_count_more_than_the_float_model() -> None:
    network, wrong = off()
    with torch.no_grad():
        labels = [network(batch).argmax(1) for batch in images(8)]
    labelled = list(zip(images(8), labels, strict=True))
    report = recalibrate_batch_norm(wrong, labelled)
    assert report.judgement.measure == "cross-entropy of the labels" and report.kept
    contrary = [(batch, (label + 1) % 10) for batch, label in labelled]
    wrong = off()[1]
    assert not recalibrate_batch_norm(wrong, images(8, seed=1), reference=network, judge=contrary).kept
    assert same(statistics(wrong), statistics(off()[1]))


class Constant(nn.Module):
    """Gives out what it is told to, one number per image."""

    def __init__(self) -> None:
        super().__init__()
        self.values = torch.zeros(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.values[: len(x)]

    def become(self, *values: float) -> None:
        self.values = torch.tensor(values)[:, None, None]


@pytest.mark.parametrize(("after", "better"), [([1.0, 1.0, 1.0, 1.1], True), ([0.0, 0.0, 0.0, 2.0], False)])
def test_the_margin_is_two_standard_errors_of_the_paired_difference(after: list[float], better: bool) -> None:
    model, zero = Constant(), Constant()
    states = lambda: model.become(2.0, 2.0, 2.0, 1.0), lambda: model.become(*after)
    found = compare_states(model, states, zero, iter([(torch.zeros(4, 1), None)]))
    gains = torch.tensor([4.0, 4.0, 4.0, 1.0], dtype=torch.float64) - torch.tensor(after, dtype=torch.float64) ** 2
    assert found.before - found.after == pytest.approx(float(gains.mean()))
    assert found.standard_error == pytest.approx(float(gains.std() / 2))
    assert found.better == better
    one = compare_states(model, states, zero, iter([(torch.zeros(1, 1), None)]))
    assert one.standard_error == math.inf and not one.better


def test_no_gain_without_any_difference_is_not_better() -> None:
    assert not Judgement(
        measure="divergence from the float model", before=1.0, after=1.0, standard_error=0.0, images=4
    ).better


def test_a_quarter_of_every_batch_is_held_back() -> None:
    batches = [(torch.arange(10.0)[:, None], torch.arange(10)), torch.arange(2.0)[:, None]]
    rest, judged = (list(held_back(batches, nn.Identity(), judged=judged)) for judged in (False, True))
    assert [part.flatten().tolist() for part, _ in (*rest, *judged)] == [[*range(7)], [0], [7, 8, 9], [1]]
    assert judged[0][1] is not None and judged[0][1].tolist() == [7, 8, 9] and judged[1][1] is None
    with pytest.raises(ValueError, match="two images or more, found 1"):
        next(held_back([torch.zeros(1, 2)], nn.Identity(), judged=True))


def test_labels_are_integers_one_per_image() -> None:
    labels = [torch.arange(3), torch.arange(3.0), torch.zeros(3, 2, dtype=torch.int64), None]
    found = [
        with_labels for _, with_labels in batches_of([(torch.zeros(3, 1), each) for each in labels], nn.Identity())
    ]
    assert [each is not None for each in found] == [True, False, False, False]


def test_nothing_to_judge_by_leaves_the_model_as_it_was() -> None:
    network = float_resnet()
    with pytest.raises(ValueError, match=r"labels, integers \(4,\), or the float model"):
        recalibrate_batch_norm(network, images())
    assert same(statistics(network), statistics(float_resnet()))
    with pytest.raises(ValueError, match="layers that keep statistics"):
        recalibrate_batch_norm(nn.Linear(2, 2), images())
    with pytest.raises(ValueError, match="labels in every batch or in none"):
        mixed = [images()[0], (images()[1], torch.zeros(16, dtype=torch.int64))]
        recalibrate_batch_norm(network, images(), reference=float_resnet(), judge=mixed)
