"""Build the development environment, or do nothing when the one there is current.

Needs Python 3.11 with pip and nothing else: uv, which alone can override the Brevitas pin of finn-plus, is put into
the environment first. A stamp is written when everything is in place, so an interrupted set-up is started afresh and a
changed requirement rebuilds the environment. pip's own settings for package sources are handed on to uv.

    python3.11 tools/setup_env.py            build .venv, or keep it
    python3.11 tools/setup_env.py --venv V   the same elsewhere
"""

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "tools" / "constraints.txt"
EXTRAS = "finn,eda,gpu,explore,test,dev"
OWN_MARK = ".made-by-setup-env"
STAMP = ".complete"
# uv reads its own settings only; these name the same things.
UV_NAME_OF_PIP_SETTING = {
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_CERT": "SSL_CERT_FILE",
}


def fingerprint(venv: Path) -> str:
    """Return a digest of everything the environment depends on: requirements, versions, interpreter, place."""
    import tomllib  # here, so that an older interpreter gets as far as the message about its version

    tables = tomllib.loads((ROOT / "pyproject.toml").read_text())
    facts = {
        "requirements": [tables["build-system"], tables["project"], tables["tool"]["uv"]],
        "versions": CONSTRAINTS.read_text(),
        "set-up": Path(__file__).read_text(),
        "interpreter": sys.version,
        "place": str(venv),
        "torch": os.environ.get("UV_TORCH_BACKEND"),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def uv_environment() -> dict[str, str]:
    """Return the environment for uv: the caller's, with pip's package sources under uv's names where those are free."""
    environment = dict(os.environ)
    for pip_name, uv_name in UV_NAME_OF_PIP_SETTING.items():
        if pip_name in os.environ:
            # pip separates several places by spaces, uv by commas.
            environment.setdefault(uv_name, ",".join(os.environ[pip_name].split()))
    # The caller's shell may have another environment active; uv has to use this one.
    environment.pop("VIRTUAL_ENV", None)
    return environment


def call(command: Iterable[str | Path], environment: dict[str, str] | None = None) -> None:
    """Run a command in the repository, stopping the set-up when it fails."""
    words = [str(word) for word in command]
    finished = subprocess.run(words, cwd=ROOT, env=environment, check=False)
    if finished.returncode:
        raise SystemExit(
            f"set-up stopped: this command failed with exit code {finished.returncode}:\n  {' '.join(words)}"
        )


def build(venv: Path) -> None:
    """Build the environment from nothing and leave no stamp before the end."""
    if venv.exists():
        if not (venv / OWN_MARK).exists():
            raise SystemExit(f"{venv} was not made by this set-up: remove it, or choose another place with VENV=...")
        shutil.rmtree(venv)
    venv.mkdir(parents=True)
    (venv / OWN_MARK).touch()
    python = venv / "bin" / "python"
    # Without pip inside: distributions that split ensurepip off can do it too.
    call([sys.executable, "-m", "venv", "--without-pip", venv])
    call([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "-c", CONSTRAINTS, "pip", "uv"])
    call(
        [venv / "bin" / "uv", "pip", "install", "--python", python, "-c", CONSTRAINTS, "-e", f".[{EXTRAS}]"],
        uv_environment(),
    )


def main() -> None:
    """Make the environment current."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="where the environment lives")
    venv = parser.parse_args().venv.absolute()
    if sys.version_info < (3, 11):  # noqa: UP036 - any interpreter may run this, before an environment exists
        raise SystemExit(f"expected Python 3.11 or newer, found {sys.version.split()[0]}: run make PYTHON=python3.11")
    with Path(f"{venv}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = venv / STAMP
        wanted = fingerprint(venv)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        print(f"Setting up {venv} (once; it is reused until the requirements change)", flush=True)
        start = time.monotonic()
        build(venv)
        stamp.write_text(wanted)
        print(f"Environment ready after {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
