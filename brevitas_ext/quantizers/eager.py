"""Quantizers of ours run eagerly only."""

from __future__ import annotations

from brevitas import config as brevitas_config


def refuse_jit(where: str) -> None:
    """Raise if Brevitas compiles quantizers.

    Args:
        where: what is refused, for the message.

    Raises:
        RuntimeError: Brevitas's compilation to TorchScript is on.
    """
    if brevitas_config.JIT_ENABLED:
        raise RuntimeError(
            f"{where}: expected eager quantizers, found BREVITAS_JIT=1, under which Brevitas compiles them to "
            "TorchScript, which has no straight-through functions of ours; unset BREVITAS_JIT"
        )
