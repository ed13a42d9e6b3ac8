"""A small real network to try everything on: definition, data, training, two trained checkpoints and test images."""

from brevitas_ext.demo.bundled import CLASS_NAMES, load_images, load_model, metadata, test_accuracy
from brevitas_ext.demo.model import HIDDEN_CONVS, DemoConfig, DemoNet, build_model, to_input

__all__ = [
    "CLASS_NAMES",
    "HIDDEN_CONVS",
    "DemoConfig",
    "DemoNet",
    "build_model",
    "load_images",
    "load_model",
    "metadata",
    "test_accuracy",
    "to_input",
]
