"""Exact export of Brevitas models to QONNX, and its verification."""

from brevitas_ext.export.handlers import UnsupportedModuleError
from brevitas_ext.export.proof import ExportMismatchError
from brevitas_ext.export.qonnx import export_qonnx
from brevitas_ext.export.verification import ExportVerification
from brevitas_ext.export.verify import verify_export

__all__ = ["ExportMismatchError", "ExportVerification", "UnsupportedModuleError", "export_qonnx", "verify_export"]
