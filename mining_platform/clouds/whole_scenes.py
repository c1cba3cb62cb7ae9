"""Cloud probability and mask of a whole Sentinel-2 L1C scene, block by block, as s2cloudless gives them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from mining_platform.clouds.rules import CLOUD_RULES
from mining_platform.clouds.s2cloudless import cloud_mask, cloud_probability
from mining_platform.clouds.s2cloudless_model import S2CLOUDLESS_BANDS, load_model
from mining_platform.region_options import region_of_bounds
from mining_platform.scenes import Scene, harmonised
from mining_platform.sources.archives.folders import FolderError, SceneFolder
from mining_platform.sources.archives.folders import raster_box as box_of_raster
from mining_platform.sources.protocol import SourceError
from mining_platform.sources.rasters import RasterError, read_scene_band

BLOCK_PX = 2_048
NO_PROBABILITY, NO_MASK = -1.0, 255
RULE = CLOUD_RULES["s2cloudless"]
MARGIN_PX = RULE.average_px + RULE.dilation_px  # how far a pixel can influence the mask around it
L1C_ONLY = "s2cloudless looks at L1C bands: name an L1C scene."
_TILES = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "DEFLATE", "BIGTIFF": "IF_SAFER"}

Progress = Callable[[str, float], None]
Block = tuple[slice, slice]
"""Rows and columns."""


@dataclass(frozen=True)
class _Opened:
    """A scene's folder, ready to be read."""

    root: Path
    scene: Scene

    def band(self, band_id: str, geobox: GeoBox) -> NDArray[np.uint16]:
        """Harmonised numbers; SourceError naming scene and band where they cannot be read."""
        if band_id not in self.scene.hrefs:
            found = ", ".join(self.scene.hrefs)
            raise SourceError(f"Scene {self.scene.scene_id} has no band {band_id}; it has {found}. {L1C_ONLY}")
        try:
            place = str(self.root / self.scene.hrefs[band_id])
            return harmonised(read_scene_band(place, self.scene, band_id, geobox, nearest=True), self.scene)
        except RasterError as error:
            raise SourceError(f"Scene {self.scene.scene_id}, band {band_id}: {error}. Fetch the scene anew.") from None


def write_cloud_probability(
    folder: Path, out: Path, mask: Path | None, *, gsd_m: int = 10, progress: Progress | None = None
) -> dict[str, Any]:
    """Write the probability of cloud of a scene's folder as a float32 GeoTIFF `out`: 0 to 1, -1 without data.

    `mask`: also the mask of the rule `s2cloudless` (threshold, averaging, dilation), uint8: 1 cloud, 0 clear, 255 without
    data. The grid is the scene's own, with pixels of `gsd_m` (nearest neighbour). Files appear whole or not at all.
    Returns facts: scene, pixels, cloud_share, mean_probability, model. SourceError for a folder that is no scene, lacks a
    band or has a damaged one, and for a pixel size that the grid cannot be cut into, and
    where the mask would overwrite the probability.
    """
    if mask and mask.resolve() == out.resolve():
        raise SourceError(f"{out} cannot hold both the probability and the mask. Name another file with --mask.")
    opened = _open(folder)
    grid = _grid(opened, gsd_m)
    blocks = list(_blocks(grid))
    sums = np.zeros(3)
    with ExitStack() as stack:
        probabilities = stack.enter_context(_writer(out, grid, "float32", NO_PROBABILITY))
        masks = stack.enter_context(_writer(mask, grid, "uint8", NO_MASK)) if mask else None
        for done, block in enumerate(blocks, start=1):
            probability, cloud, seen = _judged(opened, grid, block)
            window = Window.from_slices(*block)
            probabilities.write(np.where(seen, probability, NO_PROBABILITY).astype(np.float32), 1, window=window)
            if masks:
                masks.write(np.where(seen, cloud, NO_MASK).astype(np.uint8), 1, window=window)
            sums += seen.sum(), cloud[seen].sum(), probability[seen].sum()
            if progress:
                progress(f"{done} of {len(blocks)} blocks", done / len(blocks))
    for path in filter(None, (out, mask)):
        _beside(path).replace(path)
    pixels = int(sums[0])
    return {
        "scene": opened.scene.scene_id,
        "pixels": pixels,
        "cloud_share": float(sums[1] / pixels) if pixels else None,
        "mean_probability": float(sums[2] / pixels) if pixels else None,
        "model": load_model().digest,
    }


def _open(folder: Path) -> _Opened:
    from mining_platform.sources.archives.listing import candidate_of

    path = folder.resolve()
    place = {"source": "archive", "collection": "sentinel-2-l1c", "href": str(path.parent)}
    anywhere = region_of_bounds((-180.0, -80.0, 180.0, 84.0), 2015, place, None)
    item = (path / f"{path.name}.json").is_file()
    try:
        candidate = candidate_of(path.parent, SceneFolder(path, item=item), anywhere) if path.is_dir() else None
        found = candidate.read(lambda _: True) if candidate else None
    except FolderError as error:
        raise SourceError(f"{folder}: {error}") from None
    except SourceError as error:
        raise SourceError(f"{folder} is no L1C scene. {L1C_ONLY} ({error})") from None
    if found is None:
        remedy = "Name a folder by its official product name, or with a STAC item of its own name."
        raise SourceError(f"{folder} is no Sentinel-2 scene. {remedy}")
    return _Opened(path.parent, found.scene)


def _grid(opened: _Opened, gsd_m: int) -> GeoBox:
    """The scene's own grid in pixels of `gsd_m`."""
    native = box_of_raster(opened.root, opened.scene.hrefs["B02"])
    factor = gsd_m / abs(native.affine.a)
    if factor < 1 or any(size % factor for size in native.shape):
        height, width = native.shape
        problem = f"{gsd_m} m does not divide the {width} x {height} pixels of scene {opened.scene.scene_id}"
        raise SourceError(f"{problem}. Use 10, 20 or 60.")
    return native.zoom_out(factor)


def _blocks(grid: GeoBox) -> Iterator[Block]:
    height, width = grid.shape
    for top in range(0, height, BLOCK_PX):
        for left in range(0, width, BLOCK_PX):
            yield slice(top, min(top + BLOCK_PX, height)), slice(left, min(left + BLOCK_PX, width))


def _judged(opened: _Opened, grid: GeoBox, block: Block) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]:
    """Probability, cloud and data (y, x) of a block; read wider, so that the mask is that of the whole scene."""
    wide = tuple(
        slice(max(part.start - MARGIN_PX, 0), min(part.stop + MARGIN_PX, size))
        for part, size in zip(block, grid.shape, strict=True)
    )
    inner = tuple(slice(part.start - out.start, part.stop - out.start) for part, out in zip(block, wide, strict=True))
    reflectance = np.stack([opened.band(band_id, grid[wide]) for band_id in S2CLOUDLESS_BANDS])
    probability = cloud_probability(reflectance)
    cloud = cloud_mask(probability, threshold=RULE.threshold, average_over=RULE.average_px, dilation_size=RULE.dilation_px)
    return probability[inner], cloud[inner], (reflectance != 0).all(axis=0)[inner]


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.new.tif")


@contextmanager
def _writer(path: Path, grid: GeoBox, dtype: str, nodata: float) -> Iterator[Any]:
    """A GeoTIFF written beside its place, removed again where the work fails."""
    place = {"crs": str(grid.crs), "transform": grid.affine, "height": grid.shape[0], "width": grid.shape[1]}
    try:
        with rasterio.open(_beside(path), "w", driver="GTiff", count=1, dtype=dtype, nodata=nodata, **place, **_TILES) as file:
            yield file
    except BaseException:
        _beside(path).unlink(missing_ok=True)
        raise
