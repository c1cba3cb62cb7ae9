"""Full disks, for real: small file systems in memory that are filled up, and a limit of file sizes where none can be mounted."""

import json
import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from errno import EFBIG, ENOSPC
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio import Affine

from mining_platform import artifacts
from mining_platform.artifacts import Artifact, ArtifactError, ArtifactStore, Ref
from tests.conftest import Installation, small_regions

KB, MB = 1024, 1024 * 1024
BLOCK = 4 * KB  # what a file in memory takes at least
REF = Ref("mosaic", "lourenco|2022")
OLD, NEW = b"old" * 5_000, b"new" * 5_000


@dataclass(frozen=True)
class Disk:
    """A small file system in memory."""

    path: Path

    def fill(self, leave: int) -> None:
        """Take all room but for some bytes."""
        self.empty()
        size = os.statvfs(self.path)
        with (self.path / "ballast").open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, max(size.f_bavail * size.f_frsize - leave, 1))

    def empty(self) -> None:
        """Give the room back."""
        (self.path / "ballast").unlink(missing_ok=True)


Mount = Callable[[Path, int], Disk]


@pytest.fixture
def mounted() -> Iterator[Mount]:
    """Mounts a disk of some bytes over a directory until the end of the test; skips where that is not allowed."""
    disks: list[Disk] = []

    def mount(path: Path, size: int) -> Disk:
        path.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"no file system can be mounted: {done.stderr.strip()}; be root, with the right to mount")
        disks.append(Disk(path))
        return disks[-1]

    yield mount
    for disk in disks:
        subprocess.run(["umount", "--lazy", str(disk.path)], check=True)


def produce(store: ArtifactStore, content: bytes) -> artifacts.Produced:
    def compute(_: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        for number in range(3):
            (out / f"{number}.bin").write_bytes(content)
        return {}

    return artifacts.produce(store, REF, inputs=[], code_version=content[:3].decode(), config={}, compute=compute)


def read(store: ArtifactStore) -> list[bytes]:
    path = artifacts.open_artifact(store, REF).path
    return [(path / f"{number}.bin").read_bytes() for number in range(3)]


def leftovers(root: Path) -> list[Path]:
    return [*root.rglob("tmp-*"), *root.rglob("unfinished-*")]


def attempted(store: ArtifactStore) -> str:
    """How an overwrite ends: `made`, or what a full disk made of it, in words."""
    try:
        produce(store, NEW)
    except (OSError, ArtifactError) as error:
        behind = error if isinstance(error, OSError) else error.__cause__
        assert isinstance(behind, OSError)
        assert behind.errno == ENOSPC
        return " ".join([str(error), *getattr(error, "__notes__", [])])
    return "made"


def test_a_disk_that_fills_up_at_any_point_of_publishing_leaves_the_old_version_whole(tmp_path: Path, mounted: Mount) -> None:
    disk = mounted(tmp_path / "store", 2 * MB)
    store = ArtifactStore(disk.path)
    produce(store, OLD)
    told = []
    for room in range(0, 40 * BLOCK, BLOCK):
        disk.fill(leave=room)
        told.append(attempted(store))
        if told[-1] == "made":
            break
        assert read(store) == [OLD] * 3
        assert leftovers(disk.path) == []
    assert read(store) == [NEW] * 3
    assert len(told) > 10, "the new version alone takes more blocks than that"
    assert all("Free some space" in words for words in told[:-1])
    assert any("could not be published" in words for words in told), "the disk was never full while publishing"
    assert any("the temporary files were removed" in words for words in told), "the disk was never full while computing"


def test_after_a_full_disk_has_room_again_the_same_production_succeeds(tmp_path: Path, mounted: Mount) -> None:
    disk = mounted(tmp_path / "store", 2 * MB)
    store = ArtifactStore(disk.path)
    old = produce(store, OLD)
    disk.fill(leave=2 * BLOCK)
    with pytest.raises((OSError, ArtifactError), match="No space left on device"):
        produce(store, NEW)
    disk.empty()
    assert produce(store, NEW).digest != old.digest
    assert read(store) == [NEW] * 3
    assert [record.number for record in artifacts.records(store, REF)] == [1, 2]


def test_a_library_that_gives_a_full_disk_no_number_is_understood_by_the_room_that_is_left(
    tmp_path: Path, mounted: Mount
) -> None:
    disk = mounted(tmp_path / "store", 2 * MB)
    store = ArtifactStore(disk.path)
    produce(store, OLD)
    disk.fill(leave=300 * KB)

    def paint(_: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        pixels = np.random.default_rng(1).integers(0, 255, (1, 1024, 1024), np.uint8)
        with rasterio.open(
            out / "map.tif", "w", driver="GTiff", width=1024, height=1024, count=1, dtype="uint8", transform=Affine.scale(10)
        ) as raster:
            raster.write(pixels)
        return {}

    with pytest.raises(Exception, match=r".") as raised:
        artifacts.produce(store, REF, inputs=[], code_version="new", config={}, compute=paint)
    assert not isinstance(raised.value, OSError) or raised.value.errno != ENOSPC
    assert "The disk of the artifact store is full" in "".join(raised.value.__notes__)
    assert read(store) == [OLD] * 3
    assert leftovers(disk.path) == []


def test_a_file_that_may_not_grow_further_leaves_the_old_version_whole(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "store")
    produce(store, OLD)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
            produce(store, NEW)
        except OSError as error:
            code = error.errno or 1
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == EFBIG
    assert read(store) == [OLD] * 3
    assert leftovers(store.root) == []
    assert produce(store, NEW).reason == "code version old -> new"


PLACE = ("--regions", "sim-igarape", "--years", "2023,2024")
SELECTION = ("--assets", "land_cover", *PLACE)


@dataclass(frozen=True)
class Archives:
    """Two archives of the same places, simulated from different seeds."""

    regions: Path
    first: Path
    second: Path


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Archives:
    folder = tmp_path_factory.mktemp("archives")
    found = Archives(small_regions(folder / "regions.geojson"), folder / "first", folder / "second")
    home = Installation(folder / "home", found.regions)
    home.run("simulate", *PLACE, "--dates", "4", "--out", str(found.first))
    home.run("simulate", *PLACE, "--dates", "4", "--out", str(found.second), "--seed", "5")
    return found


def installation(home: Path, archives: Archives) -> Installation:
    home.mkdir(exist_ok=True)
    (home / "archive").symlink_to(archives.first)
    return Installation(home, archives.regions)


def check_databases(home: Path, copies: Path) -> int:
    """Check copies of all databases of a home, since a full disk has no room for a check; how many there are."""
    shutil.copytree(home / "dagster", copies, ignore=shutil.ignore_patterns("ballast", "*-shm"))
    databases = list(copies.rglob("*.db"))
    for path in databases:
        with sqlite3.connect(path) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)], path.name
        database.close()
    return len(databases)


def assert_one_clear_error(printed: str) -> None:
    assert "Traceback" not in printed
    words = " ".join(printed.split())
    assert "Dagster's home " in words
    assert "cannot be written" in words
    assert "its disk is full" in words
    assert "Make room or mend the disk, run the command again, then `mining-platform reconcile`" in words


FULL = [("home/dagster", 0), ("home/dagster", 100 * KB), ("home/dagster", 320 * KB), ("home", 0), ("home", 360 * KB)]
"""What is a disk of its own, and its room when the work begins: none, or so much that it ends within the first run."""


@pytest.mark.slow
@pytest.mark.parametrize(("place", "room"), FULL)
def test_a_home_whose_disk_is_full_says_so_stays_whole_and_goes_on_once_there_is_room(
    tmp_path: Path, archives: Archives, mounted: Mount, place: str, room: int
) -> None:
    disk = mounted(tmp_path / place, 16 * MB)
    home = installation(tmp_path / "home", archives)
    home.run("materialize", "--assets", "scenes", *PLACE)
    before = home.digests()
    disk.fill(leave=room)
    assert_one_clear_error(home.run("materialize", *SELECTION, code=2))
    assert check_databases(home.home, tmp_path / "copies") >= 3
    disk.empty()
    assert "cannot" not in home.run("reconcile")
    assert {row["state"] for row in home.states(*SELECTION).values()} <= {"made", "skipped"}
    assert "Artifacts and events agree" in home.run("reconcile")
    now = home.digests()
    assert before.items() <= now.items()
    assert set(now) - set(before) == {"land_cover/@sim-igarape+2023", "land_cover/@sim-igarape+2024"}
    assert leftovers(home.home / "artifacts") == []


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


STORE_FILLS = [("land_cover", 0), ("land_cover", 40 * KB), ("label", 24 * KB), ("scenes", 4 * KB), ("mosaic", 2 * MB)]
"""Assets in the order in which they rest on each other, and the room that each finds."""


@pytest.mark.slow
def test_an_artifact_store_whose_disk_is_full_keeps_what_it_has_and_says_so(
    tmp_path: Path, archives: Archives, mounted: Mount
) -> None:
    home = installation(tmp_path / "home", archives)
    disk = mounted(home.home / "artifacts", 96 * MB)
    place = ("--only", "--regions", "sim-igarape", "--years", "2024")
    home.run("materialize", "--assets", "land_cover,label,scenes,mosaic", *place)
    (home.home / "archive").unlink()
    (home.home / "archive").symlink_to(archives.second)
    for asset, room in STORE_FILLS:
        before, current = bytes_below(disk.path), home.digests()
        disk.fill(leave=room)
        printed = home.run("materialize", "--assets", asset, *place, code=1)
        assert "Traceback" not in printed
        assert f"failed {asset}@sim-igarape|2024: " in printed
        told = " ".join(printed.split())
        assert "The disk of the artifact store is full" in told or "could not be published: No space left on device" in told
        assert "Free some space and run again" in told
        disk.empty()
        assert {name: content for name, content in bytes_below(disk.path).items() if not name.endswith("lease")} == {
            name: content for name, content in before.items() if not name.endswith("lease")
        }
        if (asset, room) != STORE_FILLS[0]:
            home.run("materialize", "--assets", asset, *place)
            assert home.digests()[f"{asset}/@sim-igarape+2024"] != current[f"{asset}/@sim-igarape+2024"]
    assert leftovers(disk.path) == []


@pytest.mark.slow
def test_a_region_file_on_a_full_disk_stays_as_it_is_and_the_command_says_so(
    tmp_path: Path, archives: Archives, mounted: Mount
) -> None:
    disk = mounted(tmp_path / "regions", MB)
    regions = Path(shutil.copy(archives.regions, disk.path))
    before = regions.read_bytes()
    feature = next(each for each in json.loads(before)["features"] if "monitoring" not in each["properties"])
    feature["properties"] |= {"id": "one-more", "name": "One more"}
    (tmp_path / "one-more.geojson").write_text(json.dumps(feature))
    disk.fill(leave=0)
    home = Installation(tmp_path / "home", regions)
    printed = home.run("regions", "add", str(tmp_path / "one-more.geojson"), code=2)
    assert "Traceback" not in printed
    assert "The disk is full" in printed
    assert regions.read_bytes() == before
    disk.empty()
    assert "Added one-more" in home.run("regions", "add", str(tmp_path / "one-more.geojson"))
