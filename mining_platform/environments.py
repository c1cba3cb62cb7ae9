"""The program and the machine that a production ran on, as its lineage record tells them."""

import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

PROJECT_DIRECTORY = Path(__file__).resolve().parent.parent
GIT_TIMEOUT_S = 10
KEY_PACKAGES = (
    "mining-platform",
    "blake3",
    "dagster",
    "earthengine-api",
    "geopandas",
    "numba",
    "numpy",
    "odc-geo",
    "pandas",
    "pyarrow",
    "pyproj",
    "rasterio",
    "safetensors",
    "scikit-learn",
    "scipy",
    "shapely",
    "tensorstore",
    "torch",
    "xarray",
    "zarr",
)
"""Distributions whose version can change a result."""


@dataclass(frozen=True)
class Environment:
    """The program and machine a production ran on."""

    git_commit: str | None
    """None where the project is not a git checkout."""
    git_dirty: bool | None
    """True where files differ from the commit or are not in it."""
    packages: Mapping[str, str]
    """Versions of those of KEY_PACKAGES that are installed."""
    python: str
    platform: str
    processor: str


def environment() -> Environment:
    """The running program and machine; looked up once per process, as the code in memory does not change either."""
    commit, dirty = git_state(PROJECT_DIRECTORY)
    return Environment(commit, dirty, _packages(), platform.python_version(), platform.platform(), _processor())


@cache
def _packages() -> dict[str, str]:
    versions = {}
    for name in KEY_PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


@cache
def _processor() -> str:
    """Processor type with its model, since results of floating-point libraries may differ between models."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return " ".join([platform.machine(), *(models[:1] or [platform.processor()])]).strip()


@cache
def git_state(directory: Path) -> tuple[str | None, bool | None]:
    """Commit and dirty flag of a checkout whose top is `directory`; (None, None) for anything else."""
    top, commit = _git(directory, "rev-parse", "--show-toplevel"), _git(directory, "rev-parse", "--verify", "HEAD")
    if not top or Path(top).resolve() != directory.resolve() or not commit:
        return None, None
    changes = _git(directory, "status", "--porcelain")
    return commit, None if changes is None else bool(changes)


def _git(directory: Path, *arguments: str) -> str | None:
    """Output of a git command that only reads; None where it fails, hangs or git is absent."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments],
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            check=True,
            env={**variables, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip()
