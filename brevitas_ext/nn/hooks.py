"""What a conversion cannot take over: hooks, which might rely on the class of their layer."""

from __future__ import annotations

from torch import nn

_KINDS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def refuse_hooks(name: str, layer: nn.Module, *, otherwise: str = "") -> None:
    """Raise if a layer that is to be replaced has hooks.

    Args:
        name: of the layer in its model.
        layer: what is to be replaced.
        otherwise: what else can be done about it.

    Raises:
        ValueError: it has hooks.
    """
    found = [kind for kind in _KINDS if getattr(layer, kind)]
    if found:
        raise ValueError(
            f"expected no hooks on {name or 'the model'} ({type(layer).__name__}), found {', '.join(found)}: remove "
            f"them and register them on the converted model{', ' if otherwise else ''}{otherwise}"
        )
