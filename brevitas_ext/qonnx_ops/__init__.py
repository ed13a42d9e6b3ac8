"""The contract between the training and the compiler side: metadata, operators, their golden functions and bodies."""

from brevitas_ext.qonnx_ops.accumulator_contract import (
    METADATA_KEY,
    AccumulatorContract,
    ContractFormatError,
    ContractViolationError,
    LayerContract,
    channel_digests,
    read_contract,
)

__all__ = [
    "METADATA_KEY",
    "AccumulatorContract",
    "ContractFormatError",
    "ContractViolationError",
    "LayerContract",
    "channel_digests",
    "read_contract",
]
