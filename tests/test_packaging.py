"""What a user gets from an installation: the built wheel, its data files, and imports that cost nothing."""

import json
import pkgutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

import brevitas_ext
import finn_transforms

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("brevitas_ext", "finn_transforms")


def run_python(*arguments: str, cwd: Path = ROOT) -> str:
    """Run this interpreter on its own and return what it printed; a failure shows its error output."""
    finished = subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def source_files() -> set[str]:
    """Return every file git would keep of both packages, code and data, relative to the repository."""
    files = {path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()}
    return {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as pip would, from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    run_python("-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel, without its dependencies, into a folder of its own."""
    target = tmp_path_factory.mktemp("site")
    run_python("-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel))
    return target


def test_the_wheel_holds_every_file_of_both_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == source_files()
    assert {f"{package}/py.typed" for package in PACKAGES} <= packed


def test_the_installed_wheel_runs_without_the_checkout(installed: Path, tmp_path: Path) -> None:
    # The editable installation of the development environment puts the checkout on the path; the copy comes before it.
    script = f"""
import sys
sys.path.insert(0, {str(installed)!r})
import json
from importlib.metadata import distribution
import brevitas_ext, finn_transforms
from brevitas_ext.arith import datatype_bound
(command,) = distribution("brevitas-finn-ext").entry_points.select(group="console_scripts")
print(json.dumps({{
    "bound": datatype_bound(1, 2, 2, input_signed=False),
    "command": [command.name, command.load().__module__],
    "metadata": str(distribution("brevitas-finn-ext").locate_file("")),
    "places": [brevitas_ext.__file__, finn_transforms.__file__],
    "version": brevitas_ext.__version__,
}}))
"""
    facts = json.loads(run_python("-P", "-c", script, cwd=tmp_path))
    assert facts["bound"] == 5  # Eq. 8 of A2Q grants the product of two 2-bit numbers up to 8 in magnitude
    assert facts["command"] == ["bfx", "finn_transforms.cli"]
    assert [Path(place).parent for place in facts["places"]] == [installed / package for package in PACKAGES]
    assert Path(facts["metadata"]) == installed
    assert facts["version"] == version("brevitas-finn-ext")


def test_importing_the_packages_loads_nothing_heavy() -> None:
    script = "import brevitas_ext, finn_transforms, sys; print(*sys.modules)"
    loaded = set(run_python("-c", script).split())
    assert not loaded & {"torch", "brevitas", "finn", "qonnx", "onnx", "onnx_ir", "onnxruntime", "numpy", "matplotlib"}


def test_finn_transforms_needs_neither_torch_nor_brevitas() -> None:
    script = "import finn_transforms.passes, sys; print(*sys.modules)"
    assert not set(run_python("-c", script).split()) & {"torch", "brevitas"}


@pytest.mark.parametrize("package", [brevitas_ext, finn_transforms])
def test_every_public_name_resolves(package: ModuleType) -> None:
    for name in package.__all__:
        assert getattr(package, name) is not None
        assert name in dir(package)


@pytest.mark.parametrize("package", [brevitas_ext, finn_transforms])
def test_an_unknown_name_is_refused_with_the_names_there_are(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'A2Q'; it offers .*__version__"):
        _ = package.A2Q


@pytest.mark.parametrize("package", [brevitas_ext, finn_transforms])
def test_no_public_name_is_hidden_by_a_module_of_the_same_name(package: ModuleType) -> None:
    # Importing a submodule binds it in its package, over anything that would be looked up later.
    assert not {module.name for module in pkgutil.iter_modules(package.__path__)} & set(package.__all__)


@pytest.mark.parametrize("package", [brevitas_ext, finn_transforms])
def test_every_module_has_its_layer(package: ModuleType) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = " ".join(contract_layer for contract in contracts for contract_layer in contract.get("layers", []))
    listed = set(layers.replace("(", " ").replace(")", " ").split())
    modules = {f"{package.__name__}.{module.name}" for module in pkgutil.iter_modules(package.__path__)}
    assert modules <= listed
