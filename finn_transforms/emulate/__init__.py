"""Runs a graph at any stage between export and hardware, integer by integer."""

from finn_transforms.emulate.accumulators import AccumulatorOverflowError, Overflow
from finn_transforms.emulate.compiled import CannotCompileError, CompiledEmulator, compile_emulator
from finn_transforms.emulate.emulate import emulate

__all__ = [
    "AccumulatorOverflowError",
    "CannotCompileError",
    "CompiledEmulator",
    "Overflow",
    "compile_emulator",
    "emulate",
]
