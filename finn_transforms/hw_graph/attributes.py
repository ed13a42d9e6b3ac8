"""Typed reading of a hardware node's attributes, with errors that name the node and the attribute."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import onnx_ir as ir
from qonnx.core.datatype import BaseDataType, resolve_datatype

from finn_transforms.analysis.attributes import attributes_of

ImplStyle: TypeAlias = Literal["", "hls", "rtl"]

_REQUIRED: Any = object()
_STYLES: dict[str, ImplStyle] = {"hls": "hls", "rtl": "rtl"}


class HwGraphError(ValueError):
    """A hardware node has attributes that FINN would not accept."""


class NodeReader:
    """Reads the attributes of one node.

    Args:
        node: a node of FINN's hardware abstraction, specialized (``MVAU_rtl``) or not.
    """

    def __init__(self, node: ir.Node) -> None:
        self.node = node
        self.name = node.name or ""
        self._attributes = attributes_of(node)

    @property
    def style(self) -> ImplStyle:
        """The implementation the node was specialized to, or prefers; empty where neither is said."""
        _, _, suffix = self.node.op_type.rpartition("_")
        return _STYLES.get(suffix) or _STYLES.get(self.text("preferred_impl_style", ""), "")

    def integer(self, name: str, default: int = _REQUIRED) -> int:
        """Return an integer attribute."""
        return int(self._get(name, int, default))

    def integers(self, name: str, length: int | None = None, default: tuple[int, ...] = _REQUIRED) -> tuple[int, ...]:
        """Return a list of integers, checked for its length where one is given."""
        values = tuple(int(value) for value in self._get(name, (list, tuple), default))
        if length is not None and len(values) != length:
            raise self._error(name, f"{length} integers", values)
        return values

    def pair(self, name: str) -> tuple[int, int]:
        """Return a list of two integers, FINN's [H, W]."""
        first, second = self.integers(name, length=2)
        return first, second

    def text(self, name: str, default: str = _REQUIRED) -> str:
        """Return a string attribute."""
        return str(self._get(name, str, default))

    def data_type(self, name: str, default: str = _REQUIRED) -> BaseDataType:
        """Return a QONNX data type."""
        return self._resolved(name, self.text(name, default))

    def _resolved(self, name: str, text: str) -> BaseDataType:
        try:
            return resolve_datatype(text)
        except (KeyError, ValueError):  # qonnx raises the second for "INT" followed by no number
            raise self._error(name, "a QONNX data type such as 'INT8'", text) from None

    def data_types(self, name: str) -> tuple[BaseDataType, ...]:
        """Return a list of QONNX data types."""
        return tuple(self._resolved(name, str(text)) for text in self._get(name, (list, tuple), _REQUIRED))

    def threshold_steps(self) -> int:
        """Return the thresholds per channel inside a unit, its third input; 0 where it has none."""
        inputs = self.node.inputs
        is_inside = self.integer("noActivation", 0) == 0 and len(inputs) > 2 and inputs[2] is not None
        shape = inputs[2].shape if is_inside and inputs[2] is not None else None
        return 0 if shape is None else int(shape.numpy()[-1])

    def _get(self, name: str, kind: type | tuple[type, ...], default: Any) -> Any:
        value = self._attributes.get(name, default)
        if value is _REQUIRED:
            raise self._error(name, "a value", "none")
        if not isinstance(value, kind):
            raise self._error(name, getattr(kind, "__name__", "a list"), value)
        return value

    def _error(self, name: str, expected: str, found: object) -> HwGraphError:
        return HwGraphError(
            f"{self.node.op_type} {self.name!r}: expected attribute {name!r} to be {expected}, found {found!r}. "
            "Lower the model again, or set the attribute as FINN's own conversion does."
        )


def require_divisor(layer: str, divisor: tuple[str, int], dividend: tuple[str, int]) -> None:
    """Raise unless one named size divides another; folding is only legal by divisors.

    Raises:
        HwGraphError: it does not, or is not positive.
    """
    (divisor_name, value), (dividend_name, total) = divisor, dividend
    if value >= 1 and total % value == 0:
        return
    raise HwGraphError(
        f"Layer {layer!r}: expected {divisor_name} to divide {dividend_name} = {total}, "
        f"found {divisor_name} = {value}. Choose one of its divisors."
    )
