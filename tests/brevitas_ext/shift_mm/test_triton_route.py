"""The Triton kernel in Triton's interpreter against the reference.

Triton is 1 GB and no part of the development environment; torch for CUDA brings it. Without it the kernel's own tests
are skipped; with it they run in an interpreter of their own, which reads TRITON_INTERPRET when Triton is imported.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from brevitas_ext.shift_mm import shift_mm_reference, shift_mm_triton, triton_is_usable, triton_route
from brevitas_ext.shift_mm.triton_route import kernel_takes

# (M, K, N), bound of a, bound of b, largest exponent: 4, 6, 7 and 8 bits, ragged and empty edges, several tiles.
CASES = [
    ((1, 1, 1), 7, 7, 3),
    ((17, 33, 65), 7, 7, 3),
    ((17, 33, 65), 31, 31, 3),
    ((70, 130, 66), 31, 31, 4),
    ((17, 70, 9), 63, 63, 3),
    ((65, 64, 64), 127, 127, 3),
    ((5, 100, 130), 128, 128, 7),
    ((64, 65, 3), 3, 127, 6),
    ((0, 3, 4), 7, 7, 3),
    ((3, 0, 4), 7, 7, 3),
]
SCRIPT = """
import json, sys, torch
from brevitas_ext.shift_mm import shift_mm_reference, shift_mm_triton
generator, wrong = torch.Generator().manual_seed(0), []
for case in json.loads(sys.argv[1]):
    (m, k, n), a_bound, b_bound, top = case
    a = torch.randint(-a_bound, min(a_bound, 127) + 1, (k, m), generator=generator, dtype=torch.int8).t()
    b = torch.randint(-b_bound, min(b_bound, 127) + 1, (k, n), generator=generator, dtype=torch.int8)
    e = torch.randint(0, top + 1, (k,), generator=generator)
    if k:
        a[:, 0], b[0], e[0] = -a_bound, -b_bound, top
    for left in (a, a.contiguous()):
        found = shift_mm_triton(left, b, e, a_bound=a_bound, b_bound=b_bound)
        if found.dtype != torch.int32 or not torch.equal(found.long(), shift_mm_reference(a, b, e)):
            wrong.append(case)
print(json.dumps(wrong))
"""
COMPILE = """
import json, re, sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from brevitas_ext.shift_mm.triton_kernel import _shift_mm_kernel as kernel
pointers = {"a_pointer": "*i8", "b_pointer": "*i8", "a_exponents": "*i32", "b_exponents": "*i32", "out_pointer": "*i32"}
found = []
for capability, two_digits, edge in json.loads(sys.argv[1]):
    fixed = dict(shift_a=True, two_digits=two_digits, block_rows=edge, block_columns=edge, block_inner=64, band=8)
    fixed |= dict(a_inner_stride=1, b_column_stride=1)
    signature = {name: "constexpr" if name in fixed else pointers.get(name, "i32") for name in kernel.arg_names}
    source = ASTSource(kernel, signature, {(kernel.arg_names.index(name),): value for name, value in fixed.items()})
    compiled = triton.compile(source, GPUTarget("cuda", capability, 32), {"num_warps": 4, "num_stages": 3})
    found.append(re.findall(r"(?:wgmma.mma_async|mma.sync)[.a-z0-9]*", compiled.asm["ptx"])[0])
print(json.dumps(found))
"""
needs_triton = pytest.mark.skipif(
    not triton_is_usable(), reason="Triton is not installed: pip install 'brevitas-finn-ext[gpu]' runs this test"
)


def run_apart(script, argument, **settings):
    """Run Python with other settings of Triton, which reads them when it is imported, and return what it printed."""
    finished = subprocess.run(
        [sys.executable, "-c", script, json.dumps(argument)],
        env={**os.environ, **settings},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


@needs_triton
def test_the_kernel_equals_the_reference_in_the_interpreter():
    assert run_apart(SCRIPT, CASES, TRITON_INTERPRET="1") == []


@needs_triton
def test_the_kernel_compiles_to_int8_tensor_core_instructions(tmp_path):
    variants = [(80, False, 64), (80, True, 64), (90, False, 128)]
    instructions = run_apart(COMPILE, variants, TRITON_CACHE_DIR=str(tmp_path), TRITON_INTERPRET="0")
    assert len(instructions) == len(variants)
    assert all("s8.s8" in each and "s32" in each for each in instructions), instructions


@pytest.mark.skipif(
    not (torch.cuda.is_available() and triton_is_usable()), reason="No GPU with Triton here: the kernel runs compiled"
)
def test_the_kernel_equals_the_reference_on_a_gpu(operands):
    for size, a_bound, b_bound, top in [*CASES, ((1030, 515, 1100), 31, 31, 3), ((1030, 515, 1100), 127, 127, 3)]:
        drawn = operands(*size, a_bound=a_bound, b_bound=b_bound, top=top)
        a, b, exponents = (each.cuda() for each in drawn)
        found = shift_mm_triton(a, b, exponents, a_bound=a_bound, b_bound=b_bound)
        assert torch.equal(found.long(), shift_mm_reference(a, b, exponents))


def test_operands_that_no_gpu_holds_are_refused(operands, monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    a, b, exponents = operands(3, 5, 4, a_bound=7, b_bound=7, top=3)
    with pytest.raises(RuntimeError, match="operands on a GPU, got operands on cpu"):
        shift_mm_triton(a, b, exponents)


def test_the_kernel_takes_what_two_seven_bit_parts_hold(operands, monkeypatch):
    assert kernel_takes(torch.tensor([7]), 128, 128)
    assert not kernel_takes(torch.tensor([8]), 128, 128)
    assert kernel_takes(torch.tensor([11]), 31, 31)
    assert not kernel_takes(torch.tensor([12]), 31, 31)
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(triton_route, "triton_is_usable", lambda: True)
    a, b, _ = operands(3, 5, 4, a_bound=31, b_bound=31, top=3)
    with pytest.raises(ValueError, match="exponents up to 11 for magnitudes up to 31 and 31, got 12"):
        shift_mm_triton(a, b, torch.full((5,), 12), a_bound=31, b_bound=31)
