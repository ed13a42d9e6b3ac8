"""Small networks from Brevitas, lowered and folded, for whole accelerators in simulation."""

from functools import cache

import onnx_ir as ir
from torch import Tensor

from finn_transforms.build import lower
from finn_transforms.folding import FoldingOptions, fold, write_folding
from finn_transforms.hw_graph import read_hw_graph
from tests.support.model_zoo.catalogue import SMALL, ZooModel
from tests.support.model_zoo.exported import exported_model
from tests.support.model_zoo.feedforward import vgg
from tests.support.model_zoo.residual import ResNet

# The network, and the clock cycles that a frame may take.
NETWORKS = {
    "mlp": (SMALL["tfc_w2a2"], 128),
    "conv": (ZooModel(lambda: vgg(2, widths=(2, 4), hidden=8, side=8), (3, 8, 8)), 1200),
    "residual": (ZooModel(lambda: ResNet(2, (2, 4), (1, 1), side=4), (3, 4, 4)), 600),
}


@cache
def folded_model(name: str) -> ir.Model:
    """Return hardware layers, folded. Not to be changed."""
    network, cycles = NETWORKS[name]
    model = lower(exported_model(network)).model
    write_folding(model, fold(read_hw_graph(model), FoldingOptions(target_cycles=cycles)))
    return model


def images(name: str, count: int) -> dict[str, Tensor]:
    """Return images by the name of the model's input."""
    (value,) = (value for value in folded_model(name).graph.inputs if value.const_value is None)
    return {value.name or "": NETWORKS[name][0].images(count).numpy()}
