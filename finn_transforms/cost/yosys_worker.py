"""Runs one synthesis job in a process of its own: a Yosys error ends the interpreter.

Started by path, not as a module, so that it loads nothing but Yosys: ``python yosys_worker.py job.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pyosys import libyosys  # type: ignore[import-untyped,import-not-found,unused-ignore]


def main(job_file: str) -> None:
    """Run the steps ``read``, then ``lean`` for a design without memories or else ``full``, then ``write``."""
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    design = libyosys.Design()
    for step in job["read"]:
        design.run_pass(step)
    memories = any(str(cell.type).startswith("$mem") for cell in design.top_module().cells_.values())
    for step in job["full" if memories else "lean"] + job["write"]:
        design.run_pass(step)


if __name__ == "__main__":
    main(sys.argv[1])
