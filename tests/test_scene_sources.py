"""What every scene source promises, held to the same scenes: a static catalogue, a STAC API, a local archive, Earth Engine.

Sources of files refuse the same bad ones in the same words.
"""

import json
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

from mining_platform.compositing.recipes import RECIPES
from mining_platform.compositing.results import Composite
from mining_platform.grids import lattice_geobox
from mining_platform.regions import SCENE_SOURCES, Region, Scenes
from mining_platform.scenes import Scene, scenes_of, solar_days
from mining_platform.sources import router
from mining_platform.sources.protocol import Cost, SourceError
from mining_platform.sources.remote import files as remote_files
from mining_platform.sources.remote.network import HOSTS_VARIABLE
from tests.stac_api import stac_api
from tests.synthetic import EPSG, LEFT_M, TOP_M, TinyScene, write_catalogue
from tests.twin_scenes import S2, Made, archive_of, region_of, running, year_of_scenes

CHANNELS = ("B02", "B04", "B08", "B11", "B01")
KINDS = ("catalogue", "api", "archive", "earth_engine")
BOX = lattice_geobox(LEFT_M + 10, TOP_M - 930, LEFT_M + 950, TOP_M - 30, EPSG)


@dataclass(frozen=True)
class Held:
    """One source that holds the year's scenes."""

    region: Region
    pixels_asked: Callable[[], int]
    """How many requests for pixels it has answered, where it counts them."""
    lose: Callable[[str], None]
    """Take the rasters of a scene away."""


def tiny(scene: Made) -> TinyScene:
    """The scene as files of a static catalogue."""
    height, width = scene.pixels["B02"].shape
    return TinyScene(
        scene.index,
        when=scene.when.isoformat(),
        cloud_pct=scene.cloud_pct,
        baseline="05.10" if scene.offset_dn else "02.14",
        values={name: pixels for name, pixels in scene.pixels.items() if name.startswith("B")},
        scl=scene.pixels["SCL"],
        left_m=scene.left_m,
        top_m=scene.top_m,
        width_px=width,
        height_px=height,
        properties={"view:sun_azimuth": scene.azimuth_deg, "view:sun_elevation": 55.0},
    )


def at(source: str, place: str) -> Region:
    """The region with its scenes at a place: only the word and the place differ."""
    return replace(region_of(), scenes=Scenes(source, "sentinel-2-l2a", "earth-search", "scl-median", {source: place}, True))


def hold(kind: str, root: Path, stack: ExitStack, patch: pytest.MonkeyPatch) -> Held:
    scenes = year_of_scenes()
    if kind == "earth_engine":
        archive = archive_of(scenes)
        server = stack.enter_context(running(archive, patch))

        def forget(index: str) -> None:
            archive.collections[S2][:] = [image for image in archive.collections[S2] if image.index != index]

        return Held(at(kind, ""), lambda: len(server.of("computePixels")), forget)
    catalogue = write_catalogue(root / "stac", [tiny(scene) for scene in scenes])

    def remove(index: str) -> None:
        for path in (root / "stac" / "s2" / index).glob("*.tif"):
            path.unlink()

    if kind == "api":
        api = stack.enter_context(stac_api(catalogue))
        patch.setenv(HOSTS_VARIABLE, api.host)
        return Held(at("stac", api.url), lambda: len(api.files_asked()), remove)
    place = {"catalogue": ("stac", catalogue), "archive": ("archive", root / "stac")}[kind]
    return Held(at(place[0], str(place[1])), lambda: 0, remove)


@pytest.fixture(scope="module", params=KINDS)
def held(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        yield hold(request.param, tmp_path_factory.mktemp(request.param), stack, patch)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Held:
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        return hold("catalogue", tmp_path_factory.mktemp("reference"), stack, patch)


def listed(held: Held) -> list[Scene]:
    return scenes_of(router.list_scenes(held.region, 2024))


def composed(held: Held, recipe: str = "scl-median", box: object = BOX) -> Composite:
    return router.composite(held.region, listed(held), CHANNELS, box, RECIPES[recipe])  # type: ignore[arg-type]


def assert_equal(one: Composite, other: Composite) -> None:
    for name in ("image", "clear_count", "observed_count"):
        a, b = getattr(one, name), getattr(other, name)
        assert a.dtype == b.dtype == np.uint16
        np.testing.assert_array_equal(a, b, err_msg=name)


def test_every_source_that_a_region_can_name_is_held_to_this() -> None:
    assert {"stac" if kind in ("catalogue", "api") else kind for kind in KINDS} == set(SCENE_SOURCES)


def test_listing_tells_the_same_scenes_and_touches_no_pixel(held: Held, reference: Held) -> None:
    before = held.pixels_asked()
    found = listed(held)
    assert held.pixels_asked() == before
    for scene, other in zip(found, listed(reference), strict=True):
        same = ("scene_id", "acquired", "solar_day", "platform", "tile", "cloud_pct", "baseline", "epsg", "simulated", "gain")
        assert {name: getattr(scene, name) for name in same} == {name: getattr(other, name) for name in same}
        assert scene.sun_azimuth_deg == pytest.approx(other.sun_azimuth_deg)
        assert scene.sun_elevation_deg == pytest.approx(other.sun_elevation_deg)
        assert scene.hrefs.keys() >= {*CHANNELS, "SCL"}
    assert len(solar_days(found)) == 4


@pytest.mark.parametrize("recipe", ["scl-median", "all-median"])
def test_a_composite_is_the_same_to_the_last_count_whatever_the_source(held: Held, reference: Held, recipe: str) -> None:
    ours = composed(held, recipe)
    assert ours.image.shape == (len(CHANNELS), *BOX.shape)
    assert 0.2 < (ours.image[0] > 0).mean() < 1
    assert ((ours.image > 0).all(axis=0) == (ours.clear_count > 0)).all()
    assert (ours.clear_count <= ours.observed_count).all()
    assert_equal(ours, composed(reference, recipe))


def test_parts_asked_for_by_several_threads_at_once_make_the_whole(held: Held) -> None:
    whole = composed(held)
    with ThreadPoolExecutor(min(router.parallel_composites(held.region), 6)) as threads:
        parts = list(threads.map(lambda top: composed(held, box=BOX[top : top + 15, :]), range(0, BOX.shape[0], 15)))
    image = np.concatenate([part.image for part in parts], axis=1)
    np.testing.assert_array_equal(image, whole.image)
    np.testing.assert_array_equal(np.concatenate([part.clear_count for part in parts]), whole.clear_count)


def test_where_no_scene_is_there_is_nothing(held: Held) -> None:
    away = lattice_geobox(LEFT_M + 50_000, TOP_M - 200, LEFT_M + 50_400, TOP_M, EPSG)
    found = composed(held, box=away)
    assert not found.image.any()
    assert not found.observed_count.any()


def test_a_year_without_scenes_is_an_error_that_says_where(held: Held) -> None:
    with pytest.raises(SourceError, match=r"Region tiny, year 2023, source .* (no scene|has no image)"):
        router.list_scenes(held.region, 2023)


def test_the_fingerprint_is_plain_and_repeats(held: Held) -> None:
    found = router.fingerprint_scenes(held.region, 2024)
    assert found["items"] == 6
    assert json.loads(json.dumps(found)) == found == router.fingerprint_scenes(held.region, 2024)


def test_scenes_cloudier_than_the_region_allows_are_left_out(held: Held) -> None:
    limited = replace(held, region=replace(held.region, scenes=replace(held.region.scenes, max_cloud_pct=3.0)))  # type: ignore[type-var]
    assert {scene.cloud_pct for scene in listed(limited)} == {1.0, 2.0, 3.0}
    assert router.fingerprint_scenes(limited.region, 2024)["max_cloud_pct"] == 3.0
    none = replace(held, region=replace(held.region, scenes=replace(held.region.scenes, max_cloud_pct=0.5)))  # type: ignore[type-var]
    with pytest.raises(SourceError, match=r"all 6 scenes have more than 0\.5 % clouds|no scene"):
        listed(none)


def test_only_services_cost_anything(held: Held, request: pytest.FixtureRequest) -> None:
    spent = router.cost(held.region, 6, CHANNELS, [BOX])
    if request.node.callspec.params["held"] in ("catalogue", "archive"):
        assert spent == Cost()
    else:
        assert spent.requests > 0
        assert spent.bytes >= BOX.shape[0] * BOX.shape[1] * len(CHANNELS) * 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_scene_listed_but_missing_is_an_error_that_names_it_and_never_zeros(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        held = hold(kind, tmp_path, stack, monkeypatch)
        scenes = listed(held)
        held.lose(scenes[3].scene_id)
        with pytest.raises(SourceError, match=scenes[3].scene_id):
            router.composite(held.region, scenes, CHANNELS, BOX, RECIPES["scl-median"])


# Bad files


def rewritten(path: Path, *, count: int = 1, **changes: Any) -> None:
    """The raster with other georeferencing, type, cutting or number of bands."""
    with rasterio.open(path) as source:
        profile, pixels = {**source.profile, "count": count, **changes}, source.read(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **profile) as out:
            for band in range(1, count + 1):
                out.write(pixels.astype(profile["dtype"]), band)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def virtual(path: Path) -> None:
    source = f"<SimpleSource><SourceFilename>{path.with_name('B08.tif')}</SourceFilename></SimpleSource>"
    band = f'<VRTRasterBand dataType="UInt16" band="1">{source}</VRTRasterBand>'
    path.write_text(f'<VRTDataset rasterXSize="120" rasterYSize="120"><SRS>EPSG:{EPSG}</SRS>{band}</VRTDataset>')


def sparse(path: Path, side: int, **cutting: Any) -> None:
    """So many pixels a side in next to no file."""
    shape = {"count": 1, "width": side, "height": side, "dtype": "uint16", "crs": f"EPSG:{EPSG}", "nodata": 0}
    affine = Affine(10, 0, LEFT_M, 0, -10, TOP_M)
    with rasterio.open(path, "w", driver="GTiff", transform=affine, sparse_ok=True, compress="deflate", **shape, **cutting):
        pass


def giant(path: Path) -> None:
    """3.6 GB in 442 kB."""
    sparse(path, 42_426, tiled=True, blockxsize=256, blockysize=256)
    with path.open("ab") as file:
        file.truncate(442_000)


def of_one_block(path: Path) -> None:
    """Not too large for its file, were it cut into blocks."""
    sparse(path, 11_000, blockysize=11_000)


def in_degrees(path: Path) -> None:
    rewritten(path, transform=Affine(9e-5, 0, -56, 0, -9e-5, -6))


BAD_FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (Path.unlink, r"cannot be read \(there is no file|is listed but missing \(HTTP 404\)"),
    "empty": (lambda path: path.write_bytes(b""), r"cannot be read|is empty or shorter than it was \(HTTP 416\)"),
    "truncated": (cut, "cannot be read"),
    "virtual": (virtual, "cannot be read .*not recognized as being in a supported file format"),
    "of a giant": (giant, r"declares 42426 x 42426 pixels, more than 32768 a side"),
    "of a bomb": (lambda path: sparse(path, 32_000, tiled=True), r"declares 2048000000 bytes of pixels in a file of \d+"),
    "of one block": (of_one_block, r"has blocks of 242000000 bytes.* Cut it into tiles"),
    "without a CRS": (lambda path: rewritten(path, crs=None), r"has no CRS\. Write one"),
    "of another CRS": (
        lambda path: rewritten(path, crs="EPSG:32720"),
        "is in EPSG:32720 where the scene's metadata say EPSG:32721",
    ),
    "without a place": (lambda path: rewritten(path, transform=Affine.identity()), "has a CRS and no place in it"),
    "in degrees": (in_degrees, "has pixels more than 32 times finer than the grid's, if its CRS is the right one"),
    "of floats": (lambda path: rewritten(path, dtype="float32"), "holds float32, not unsigned integers"),
    "of bytes": (lambda path: rewritten(path, dtype="uint8"), "holds uint8, where digital numbers of a band are uint16"),
    "of three bands": (lambda path: rewritten(path, count=3), "holds 3 bands, where each band has a raster of its own"),
}


@dataclass(frozen=True)
class HeldFiles:
    """A source of files, and the raster of one scene's red band."""

    region: Region
    scenes: list[Scene]
    damaged: Scene
    path: Path


@pytest.fixture(scope="module", params=["catalogue", "api", "archive"])
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeldFiles]:
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp(f"bad-{request.param}")
        held = hold(request.param, root, stack, patch)
        scenes = listed(held)
        yield HeldFiles(held.region, scenes, scenes[3], root / "stac" / "s2" / scenes[3].scene_id / "B04.tif")


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_an_error_that_names_scene_band_and_remedy_and_never_zeros(
    files: HeldFiles, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_files, "_heads", OrderedDict())
    damage, problem = BAD_FILES[kind]
    content = files.path.read_bytes()
    message = rf"Region tiny, year 2024, source .*scene {files.damaged.scene_id}, band B04: the raster .*({problem}).*\. \w+ "
    try:
        damage(files.path)
        with pytest.raises(SourceError, match=message):
            router.composite(files.region, files.scenes, CHANNELS, BOX, RECIPES["scl-median"])
    finally:
        files.path.write_bytes(content)
