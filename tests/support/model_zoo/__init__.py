"""The networks that FINN's users build, untrained, with calibrated scales: small for tests, whole for benchmarks."""

from tests.support.model_zoo.catalogue import FULL, SMALL, ZooModel
from tests.support.model_zoo.exported import exported_model

__all__ = ["FULL", "SMALL", "ZooModel", "exported_model"]
