"""A fast emulator: fused kernels of onnxruntime that are proven equal to the plain one."""

from finn_transforms.emulate.compiled.session import CompiledEmulator, compile_emulator
from finn_transforms.emulate.compiled.stream import CannotCompileError

__all__ = ["CannotCompileError", "CompiledEmulator", "compile_emulator"]
