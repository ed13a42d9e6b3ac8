"""Brevitas's export machinery, imported once and without its warnings."""

import warnings

with warnings.catch_warnings():
    # Importing brevitas.export imports brevitas.fx, which announces its own end, and looks for an optional CUDA kernel.
    warnings.filterwarnings("ignore", "brevitas.fx is deprecated", DeprecationWarning)
    warnings.filterwarnings("ignore", "fast_hadamard_transform package not found", UserWarning)
    from brevitas.export.common.handler.base import BaseHandler
    from brevitas.export.manager import ExportContext, _override_act_caching_mode
    from brevitas.export.onnx.qonnx.manager import QONNXDynamoManager, QONNXManager

__all__ = ["BaseHandler", "ExportContext", "QONNXDynamoManager", "QONNXManager", "_override_act_caching_mode"]
