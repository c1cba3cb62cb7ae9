"""What a worker elsewhere must have in common with the process that asks it, so that its bytes are the same."""

import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from blake3 import blake3

from mining_platform.computing import ComputeError
from mining_platform.homes import platform_home
from mining_platform.regions import expand

PACKAGES = (
    *("mining-platform", "numpy", "numba", "torch", "scipy", "pandas", "rasterio", "pyproj", "shapely", "odc-geo"),
    *("tensorstore", "pystac", "safetensors"),
)
"""Whose versions decide bytes."""
PLACES = ("MINING_PLATFORM_HOME", "MINING_PLATFORM_REALDATA")
"""Variables by which regions name files."""


@cache
def common_ground() -> Mapping[str, str]:
    """Processor, Python, the code of this package, versions of PACKAGES, and the places that files are named by."""
    versions = {name: _version(name) for name in PACKAGES}
    home = platform_home()
    places = {PLACES[0]: str(home), "an installation there": str(home.is_dir()), PLACES[1]: expand(f"${{{PLACES[1]}}}")}
    return {"processor": platform.machine(), "python": platform.python_version(), "code": _code(), **versions, **places}


def _code() -> str:
    """Digest of this package's files, short: they may change without its version."""
    digest = blake3()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest(8)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


@cache
def check_here(asked_by: tuple[tuple[str, str], ...]) -> None:
    """ComputeError where this process differs from the `common_ground` (its items) of the one that asks."""
    own = common_ground()
    differing = [f"{name}: {own.get(name)} instead of {value}" for name, value in asked_by if own.get(name) != value]
    if differing:
        raise ComputeError(
            f"The worker on {platform.node()} has not what the writer has: {'; '.join(differing)}. Start workers from the same "
            "code and constraints file, on the same kind of processor, with the same environment, and mount the same folders."
        )
