"""Compares two stages of one network tensor by tensor, and tells ties from errors."""

from finn_transforms.verify.comparison import Difference, TensorComparison, Verification
from finn_transforms.verify.data import read_data
from finn_transforms.verify.verify import verify

__all__ = ["Difference", "TensorComparison", "Verification", "read_data", "verify"]
