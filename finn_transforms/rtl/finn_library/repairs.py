"""Three places in FINN's RTL library that open tools refuse, rewritten in the text at run time to mean the same."""

from __future__ import annotations

import re

_CONSTANT_FUNCTION = re.compile(r"^[ \t]*typedef[^;]*;\s*function leaf_load_t.*?endfunction[^\n]*\n", re.DOTALL | re.M)
_WATCH = "Dirty <= 0;"
_SCOPE = "p.ptr[M-1:SN+1] < "


def repair(text: str) -> str:
    """Return a file of FINN 1.6.1's library as Verilator and slang take it; other files come back as they are.

    ``add_multi.sv`` declares a constant function inside a generate block, against the standard (IEEE 1800-2023,
    13.4.3): it moves in front of it.  ``thresholding.sv`` selects an empty range in its first stage, in a branch that
    is never taken: the same bits are found by shifting.  ``mvu.sv`` ends the 100 ns in which it watches its inputs by a
    non-blocking assignment, which slang refuses in an initial block.
    """
    function = _CONSTANT_FUNCTION.search(text)
    if function is not None:
        rest = text[: function.start()] + text[function.end() :]
        text = rest.replace("\n);\n", f"\n);\n{function[0]}", 1)
    return text.replace(_SCOPE, "(p.ptr[M-1:0] >> (SN+1)) < ").replace(_WATCH, "Dirty = 0;")
