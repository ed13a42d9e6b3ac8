import pytest
import torch

from brevitas_ext.arith import a2q_l1_budget
from brevitas_ext.demo.budget import return_to_budget, start_with_room
from brevitas_ext.demo.model import HIDDEN_CONVS, DemoConfig, DemoNet, build_model, start_from_float, to_input
from brevitas_ext.quantizers import initialize_from_float

P = 12
BUDGET = a2q_l1_budget(P, 4, input_signed=False)
INPUTS = to_input(torch.arange(2 * 3 * 32 * 32).remainder(251).to(torch.uint8).view(2, 3, 32, 32))


def integers(model: DemoNet, name: str) -> torch.Tensor:
    return getattr(model, name).quant_weight().int().flatten(1)


def norms_in_steps(model: DemoNet, name: str) -> torch.Tensor:
    layer = getattr(model, name)
    return (
        layer.weight.detach().double().flatten(1).abs().sum(dim=1)
        / layer.weight_quant.scale().detach().double().flatten()
    )


@pytest.fixture
def start() -> DemoNet:
    torch.manual_seed(0)
    return build_model(DemoConfig(variant="float"))


@pytest.fixture
def model(start) -> DemoNet:
    model = build_model(DemoConfig(variant="a2q", accumulator_bits=P))
    start_from_float(model, start, INPUTS)
    start_with_room(model, INPUTS)
    return model


def test_integers_start_inside_the_budget_and_point_where_the_float_weights_do(model, start):
    for name in HIDDEN_CONVS:
        rows, floats = integers(model, name), start.get_submodule(name).weight.flatten(1)
        spent = rows.abs().sum(dim=1)
        assert int(spent.max()) * 3 <= 2 * BUDGET  # 1 / (1 + room) of it
        assert int(spent.min()) * 2 > BUDGET
        assert not ((rows * floats) < 0).any()
        assert torch.cosine_similarity(rows.float(), floats).min() > 0.6


def test_a_small_move_of_every_weight_leaves_the_integers_that_started_with_room(model, start):
    tight = build_model(DemoConfig(variant="a2q", accumulator_bits=P))
    start_from_float(tight, start, INPUTS)
    initialize_from_float(tight, INPUTS, method="euclidean_projection")
    for network, survives in ((model, True), (tight, False)):
        layer = network.conv3
        before = integers(network, "conv3")
        with torch.no_grad():
            noise = torch.rand(layer.weight.shape, generator=torch.Generator().manual_seed(1)) - 0.5
            layer.weight.add_(0.1 * noise * layer.weight_quant.scale())
            return_to_budget(network)
        assert torch.equal(integers(network, "conv3"), before) is survives


def test_returning_takes_only_what_is_beyond_the_budget(model):
    before = {name: getattr(model, name).weight.clone() for name in HIDDEN_CONVS}
    with torch.no_grad():
        model.conv4.weight.mul_(1.5)
    assert norms_in_steps(model, "conv4").max().item() > float(BUDGET)
    return_to_budget(model)
    assert norms_in_steps(model, "conv4").max().item() < float(BUDGET) + 1e-3  # float32 sums
    assert not torch.equal(model.conv4.weight, before["conv4"])
    for name in ("conv2", "conv3", "conv5"):
        assert torch.equal(getattr(model, name).weight, before[name])
