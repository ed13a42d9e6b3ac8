# Everything a developer or a first-time user runs. Each target sets up what it needs; see CONTRIBUTING.md.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
JOBS ?= 2

BIN := $(VENV)/bin
SOURCES := brevitas_ext finn_transforms
NOTEBOOKS = $(wildcard notebooks)
# Two worker processes share the machine, so each computes with one thread.
export OMP_NUM_THREADS ?= 1
# Without cached bytecode torch takes seconds to import, in every process.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test lint lint-style lint-types lint-layers lint-spelling lint-notebooks format bench wheel constraints clean

help:
	@echo "make demo         train-to-hardware tour on real images: tables, JSON and a figure in out/"
	@echo "make test         every test and notebook"
	@echo "make lint         style, types, layers, spelling"
	@echo "make format       let ruff rewrite what it can"
	@echo "make bench        the measurements behind the figures in benchmarks/"
	@echo "make wheel        build the distribution into dist/"
	@echo "make constraints  renew tools/constraints.txt, the versions of the development environment"
	@echo "make clean        remove everything that was built, the environment included"

setup:
	@$(PYTHON) tools/setup_env.py --venv $(VENV)

demo: setup
	@$(BIN)/bfx demo

test: setup
	$(BIN)/python -m pytest -n $(JOBS) --nbmake tests $(NOTEBOOKS)

lint: lint-style lint-types lint-layers lint-spelling lint-notebooks

lint-style: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint-types: setup
	$(BIN)/mypy

lint-layers: setup
	$(BIN)/lint-imports

lint-spelling: setup
	$(BIN)/codespell

lint-notebooks: setup
	$(if $(NOTEBOOKS),$(BIN)/nbstripout --keep-id --verify $(wildcard notebooks/*.ipynb))

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	@set -e; for script in benchmarks/*.py; do echo "$$script"; $(BIN)/python "$$script"; done

wheel: setup
	$(BIN)/python -m hatchling build

# The newest versions that the ranges and pins of pyproject.toml allow. What torch brings for CUDA follows torch.
constraints: setup
	{ sed -n '/^#/p;/^pip==/p;/^uv==/p' tools/constraints.txt; \
	  $(BIN)/uv pip compile pyproject.toml --all-extras --no-annotate --no-header --quiet \
	    | sed 's/+.*//' | grep -vE '^(cuda|nvidia|triton|pip=|uv=)'; } > $(VENV)/constraints.txt
	mv $(VENV)/constraints.txt tools/constraints.txt

clean:
	rm -rf $(VENV) $(VENV).lock build dist out .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find $(SOURCES) tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
