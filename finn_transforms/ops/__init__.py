"""Golden functions of the operators that the passes read or emit.

Integers are exact and everything between them is float64: that is how the project defines what a QONNX graph means.
"""

from finn_transforms.ops.elementwise import UnsupportedOperatorError
from finn_transforms.ops.registry import evaluate, evaluate_outputs

__all__ = ["UnsupportedOperatorError", "evaluate", "evaluate_outputs"]
