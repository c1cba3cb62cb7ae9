"""Shared installations: a small simulated one on which the whole line was run once."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import commands

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before any test imports torch, which reads it once

ROOT = Path(__file__).parents[1]
COMMAND = Path(sys.executable).with_name("mining-platform")
REALDATA = Path(os.environ.get("MINING_PLATFORM_REALDATA", ROOT.parent / "shared" / "realdata"))

SMALL = {"sim-igarape": (-55.20, -6.40, -55.11, -6.31), "sim-serra": (-51.20, -7.85, -51.11, -7.76)}
"""Outlines of the simulated regions, cut to about 10 km so that the line runs in a minute."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """How tests are dealt to processes, where they run in several."""
    from tests.side_by_side import ByFile

    return ByFile(config, log)


@dataclass(frozen=True)
class Installation:
    """A home with its own region file, used through the real command."""

    home: Path
    regions: Path
    variables: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    """Further variables of its environment."""

    @property
    def environment(self) -> dict[str, str]:
        """What the command sees."""
        return {
            **os.environ,
            "MINING_PLATFORM_HOME": str(self.home),
            "MINING_PLATFORM_REGIONS": str(self.regions),
            "MINING_PLATFORM_REALDATA": str(REALDATA),
            **self.variables,
        }

    def run(self, *arguments: str, code: int = 0, timeout: float = 280) -> str:
        """Run `mining-platform` and return what it printed (both streams); fails on another exit code."""
        found, printed = commands.run(COMMAND, arguments, self.environment, timeout)
        assert found == code, f"exit code {found}\n{printed}"
        return printed

    def run_anew(self, *arguments: str, timeout: float = 280) -> str:
        """As `run`, as a process of its own from its first instruction."""
        done = subprocess.run(
            [str(COMMAND), *arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}"
        return done.stdout

    def states(self, *arguments: str, code: int = 0) -> dict[str, dict[str, str]]:
        """Outcomes of `materialize --json` by reference."""
        printed = self.run("materialize", *arguments, "--json", code=code)
        return {row["ref"]: row for row in json.loads(printed[printed.index("[") : printed.rindex("]") + 1])}

    def digests(self) -> dict[str, str]:
        """Digest of every published partition, by pointer file."""
        root = self.home / "artifacts"
        return {str(path.parent.relative_to(root)): json.loads(path.read_text())["digest"] for path in root.rglob("current.json")}


def small_regions(path: Path) -> Path:
    """The shipped region file with the simulated regions cut down."""
    content = json.loads((ROOT / "regions.geojson").read_text())
    for feature in content["features"]:
        bounds = SMALL.get(feature["properties"]["id"].removesuffix("-landsat"))
        if bounds:
            west, south, east, north = bounds
            ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
            feature["geometry"] = {"type": "Polygon", "coordinates": [ring]}
    path.write_text(json.dumps(content))
    return path


@dataclass(frozen=True)
class Line:
    """An installation on which `mining-platform demo` has run, and what it printed."""

    installation: Installation
    printed: str
    seconds: float


@pytest.fixture(scope="session")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    """The whole line on the two small simulated regions, two years."""
    folder = tmp_path_factory.mktemp("line")
    installation = Installation(folder / "home", small_regions(folder / "regions.geojson"))
    started = time.monotonic()
    printed = installation.run_anew("demo", timeout=900)
    return Line(installation, printed, time.monotonic() - started)


@pytest.fixture
def fresh_home(tmp_path: Path, line: Line) -> Installation:
    """An empty home beside the line's archive."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "archive").symlink_to(line.installation.home / "archive")
    return Installation(home, line.installation.regions)


@pytest.fixture
def mapped(tmp_path: Path) -> Installation:
    """Two regions that are monitored by the maps of 2022 and 2023 in the home; nothing is made yet."""
    from tests import monitored_regions

    return monitored_regions.mapped(tmp_path / "home")


@pytest.fixture(scope="session")
def followed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See `followed`; made once."""
    from tests import monitored_regions

    installation = monitored_regions.mapped(tmp_path_factory.mktemp("followed") / "home")
    installation.run("materialize", "--assets", "annual_report", "--years", "2022-2023")
    return installation.home


@pytest.fixture
def followed(tmp_path: Path, followed_home: Path) -> Installation:
    """Two regions whose mining grew from 2022 to 2023, by maps in the home; the maps of 2024 are not there yet."""
    home = shutil.copytree(followed_home, tmp_path / "home")
    return Installation(home, home / "regions.geojson")


@pytest.fixture(scope="session")
def lourenco_map() -> Path:
    """The real MapBiomas map of Lourenço."""
    path = REALDATA / "mapbiomas-lourenco-col8" / "lorenco_85a22.tif"
    if not path.exists():
        pytest.skip(f"the real map {path} is absent; set MINING_PLATFORM_REALDATA")
    return path
