"""Settings that every test shares."""

import os

from hypothesis import settings

# Before anything imports numpy or torch: the workers of pytest-xdist share the machine, one thread each.
os.environ["OMP_NUM_THREADS"] = "1"

# No deadline, since the first example of a test often pays for an import; in CI the examples are always the same.
settings.register_profile("project", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("project")
