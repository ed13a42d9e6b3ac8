"""Technology maps of dynamic indices, proven equal to what they replace by Yosys' SAT solver."""

import json
import subprocess
import sys
from collections import Counter
from importlib.resources import files
from pathlib import Path

from finn_transforms.cost.yosys import TO_BMUX, TO_SHIFTX

INDEX = """module index #(parameter int N = 3, W = 1, B = 2) (
    input logic [N-1:0][W-1:0] a, input logic [B-1:0] s, output logic [W-1:0] y
);
  assign y = a[s];
endmodule
module reversed #(parameter int N = 3, W = 1, B = 2) (
    input logic [0:N-1][W-1:0] a, input logic [B-1:0] s, output logic [W-1:0] y
);
  assign y = a[s];
endmodule
module slice #(parameter int N = 7, W = 2, B = 3) (
    input logic [N-1:0] a, input logic [B-1:0] s, output logic [W-1:0] y
);
  assign y = a[s+:W];
endmodule
"""
# Sizes that are powers of two and are not; indices that reach beyond the end, just the end, or less.
SHAPES = [
    (top, words, width, bits)
    for top in ("index", "reversed")
    for words, width, bits in [(1, 1, 1), (2, 3, 1), (3, 1, 2), (3, 2, 2), (3, 1, 1), (5, 3, 4), (8, 2, 3), (9, 1, 3)]
] + [("slice", 3, 1, 2), ("slice", 7, 2, 3), ("slice", 8, 1, 3), ("slice", 9, 3, 4)]

PROVE = """
import json, sys
from pyosys import libyosys
folder, to_shiftx, to_bmux = sys.argv[1:4]
def kinds(design, module):
    cells = design.module(libyosys.IdString("\\\\" + module)).cells_.values()
    return sorted({str(cell.type) for cell in cells})
for top, words, width, bits in json.loads(sys.argv[4]):
    design = libyosys.Design()
    for step in (
        f"read_slang -j 1 --top {top} -G N={words} -G W={width} -G B={bits} {folder}/index.sv",
        "proc", "flatten", "opt", "rename -top gold", "copy gold there", f"techmap -map {to_shiftx} there",
        "copy there back", f"techmap -map {to_bmux} back",
    ):
        design.run_pass(step)
    print("KINDS", json.dumps([kinds(design, module) for module in ("gold", "there", "back")]), flush=True)
    for module in ("there", "back"):
        design.run_pass(f"miter -equiv -ignore_gold_x -flatten gold {module} miter_{module}")
        design.run_pass(f"sat -verify -prove trigger 0 -set-def-inputs miter_{module}")
    print("PROVEN", flush=True)
"""


def prove(folder: Path, to_shiftx: Path, to_bmux: Path) -> "subprocess.CompletedProcess[str]":
    (folder / "index.sv").write_text(INDEX)
    arguments = [folder, to_shiftx, to_bmux, json.dumps(SHAPES)]
    command = [sys.executable, "-c", PROVE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def maps() -> list[Path]:
    folder = Path(str(files("finn_transforms.cost") / "techmap"))
    return [folder / name for name in (TO_SHIFTX, TO_BMUX)]


def test_both_ways_are_equal_for_all_sizes(tmp_path: Path) -> None:
    done = prove(tmp_path, *maps())
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert done.stdout.count("\nPROVEN") == len(SHAPES)
    seen = [json.loads(line.partition(" ")[2]) for line in done.stdout.splitlines() if line.startswith("KINDS")]
    applied = Counter(("$bmux" in gold, "$shiftx" in there, "$bmux" in there) for gold, there, _ in seen)
    # Every $bmux became $shiftx.
    assert applied[True, True, False] >= 8
    assert applied[True, False, True] == applied[True, True, True] == 0
    assert sum("$bmux" in back for _, _, back in seen) >= 8


def test_a_wrong_map_is_found(tmp_path: Path) -> None:
    to_shiftx, to_bmux = maps()
    wrong = tmp_path / "wrong.v"
    wrong.write_text(to_shiftx.read_text().replace("A[word * WIDTH + at]", "A[at * (1 << S_WIDTH) + word]"))
    assert wrong.read_text() != to_shiftx.read_text()
    done = prove(tmp_path, wrong, to_bmux)
    assert done.returncode != 0
    assert "proof did fail" in done.stdout + done.stderr
