"""Settings that every test shares."""

import os

import pytest
from hypothesis import settings

# Before anything imports numpy or torch: the workers of pytest-xdist share the machine, one thread each.
os.environ["OMP_NUM_THREADS"] = "1"

# No deadline, since the first example of a test often pays for an import; in CI the examples are always the same.
settings.register_profile("project", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("project")


def pytest_configure(config: pytest.Config) -> None:
    # Simulators and synthesis results are kept with pytest's own cache, not in the user's.
    if config.cache is not None:
        os.environ.setdefault("BFX_CACHE", str(config.cache.mkdir("bfx")))
