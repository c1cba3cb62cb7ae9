"""A patch in other people's formats: PNG pictures, GeoTIFF stacks and masks, palette PNG labels; equal pixels, equal bytes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import DatasetWriter, MemoryFile

from mining_platform import bands, figures
from mining_platform.grids import PIXEL_M
from mining_platform.labels.mapbiomas import SIMULATED_MARK
from mining_platform.labels.palette_pngs import DEFLATE_LEVEL, SITE_BACKGROUND, SITE_CLOUD, SITE_MINING, palette_png
from mining_platform.labels.recipes import NO_LABEL
from mining_platform.patch_conventions import CLOUD

GEOTIFF, PNG = "image/tiff; application=geotiff", "image/png"
SITE_VALUES = {0: SITE_BACKGROUND, 1: SITE_MINING, CLOUD: SITE_CLOUD, NO_LABEL: NO_LABEL}
"""Values of a site label by value of the platform's label."""


@dataclass(frozen=True)
class Place:
    """Where a patch lies."""

    epsg: int
    x0: float
    """Left edge, metres."""
    y0: float
    """Upper edge, metres."""
    pixel_m: int = PIXEL_M
    """Ground size of a pixel, metres."""

    @property
    def transform(self) -> Affine:
        """Affine of the patch's pixels."""
        return Affine(self.pixel_m, 0, self.x0, 0, -self.pixel_m, self.y0)


def place_of(row: Any) -> Place:
    """Place of a row of the patch table."""
    return Place(int(row.epsg), float(row.x0), float(row.y0), int(row.pixel_m))


def write_picture(path: Path, image: NDArray[np.uint16], channels: tuple[str, ...]) -> None:
    """True-colour PNG of (band, y, x) DN, by the fixed stretch of `figures.rgb_uint8`."""
    _write(path, figures.pixels_png(figures.rgb_uint8(image, channels)))


def write_stack(
    path: Path, image: NDArray[Any], channels: Sequence[str], place: Place, *, nodata: float, simulated: bool
) -> None:
    """GeoTIFF of (band, y, x) in the dtype given, bands described by id; deflate with a predictor, so lossless."""
    predictor = 3 if image.dtype.kind == "f" else 2
    with new_geotiff(
        path,
        count=len(image),
        height=image.shape[1],
        width=image.shape[2],
        dtype=image.dtype,
        crs=f"EPSG:{place.epsg}",
        transform=place.transform,
        nodata=nodata,
        compress="deflate",
        predictor=predictor,
        zlevel=DEFLATE_LEVEL,
        interleave="band",
    ) as raster:
        raster.write(image)
        for number, channel in enumerate(channels, 1):
            raster.set_band_description(number, channel)
            raster.update_tags(number, ROLE=bands.band(channel).role)
        if simulated:
            raster.update_tags(TIFFTAG_IMAGEDESCRIPTION=f"{SIMULATED_MARK} scenes")


def as_floats(image: NDArray[np.uint16], channels: Sequence[str], nodata: float) -> NDArray[np.float32]:
    """Stored numbers (band, y, x) as floats: digital numbers of reflectance, values in their unit of all else; `nodata` for 0."""
    bare = [bands.band(channel).unit == "reflectance" for channel in channels]
    values = [
        each.astype(np.float32) if is_dn else bands.as_values(channel, each)
        for channel, each, is_dn in zip(channels, image, bare, strict=True)
    ]
    return np.where(image == bands.S2_NODATA, np.float32(nodata), np.stack(values))


@contextmanager
def new_geotiff(path: Path, **profile: Any) -> Iterator[DatasetWriter]:
    """A GeoTIFF to write, made in memory first: GDAL closes a file on a full disk without an error, Python does not."""
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", **profile) as raster:
            yield raster
        _write(path, memory.getbuffer())


def write_mask(path: Path, label: NDArray[np.uint8], place: Place, *, simulated: bool) -> None:
    """GeoTIFF of a label (y, x) uint8, nodata 255."""
    shape = {"height": label.shape[0], "width": label.shape[1], "count": 1, "dtype": "uint8", "nodata": NO_LABEL}
    frame = {"crs": f"EPSG:{place.epsg}", "transform": place.transform, "compress": "deflate", "zlevel": DEFLATE_LEVEL}
    with new_geotiff(path, **shape, **frame) as raster:
        raster.write(label, 1)
        raster.set_band_description(1, "mining")
        if simulated:
            raster.update_tags(TIFFTAG_IMAGEDESCRIPTION=f"{SIMULATED_MARK} land cover")


def write_site_label(path: Path, label: NDArray[np.uint8]) -> None:
    """One-channel palette PNG: 0 background, 1 cloud, 2 mining, 255 no class, in the colours of SITE_PALETTE.

    ValueError for values that a label of the platform does not have.
    """
    table = np.zeros(256, np.uint8)
    table[list(SITE_VALUES)] = list(SITE_VALUES.values())
    if unknown := sorted(set(np.unique(label).tolist()) - set(SITE_VALUES)):
        raise ValueError(f"{path.name}: a label has the values {unknown}, not only {sorted(SITE_VALUES)}.")
    _write(path, palette_png(table[label]))


def platform_label(site_label: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The platform's label of a site label (y, x): 2 is mining, 0 other; cloud has no class, as nothing can be seen there."""
    table = np.full(256, NO_LABEL, np.uint8)
    table[[SITE_BACKGROUND, SITE_MINING]] = 0, 1
    return table[site_label]


def label_share(label: NDArray[np.uint8]) -> float:
    """Share of mining of the pixels that are mining or other in a label; NaN where none is: of clouds nothing is known."""
    mining, other = int((label == 1).sum()), int((label == 0).sum())
    return mining / (mining + other) if mining + other else float("nan")


def _write(path: Path, data: bytes | memoryview) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
