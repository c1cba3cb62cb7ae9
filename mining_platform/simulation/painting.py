"""From land-cover classes to the materials a sensor sees, for a made-up landscape or a given real map."""

# ruff: noqa: PLR2004 - the bare numbers shape a made-up picture, were set by eye and mean nothing elsewhere.

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.warp import reproject
from scipy.special import ndtr

from mining_platform.labels.mapbiomas import LEGEND, NO_CLASS_CODES
from mining_platform.raster_files import opened_raster_file
from mining_platform.simulation import noise, spectra
from mining_platform.simulation.landscape import FOREST, MINING, PASTURE, RIVER, Landscape
from mining_platform.simulation.noise import Floats

TEXTURE_SCALE = 32.0
"""Texture fields are stored as int8 of deviation x 32."""
_BORDER_PX = 0.9
"""How far borders of a given map are moved at random (deviation, px): breaks the staircase of 30 m pixels."""


@dataclass(frozen=True)
class Textures:
    """Patterns of the ground that stay from scene to scene: (y, x) int8, deviation x TEXTURE_SCALE."""

    fine: NDArray[np.int8]
    coarse: NDArray[np.int8]
    relief: NDArray[np.int8]


@dataclass(frozen=True)
class Ground:
    """What a sensor sees of a region in one year."""

    materials: NDArray[np.uint8]
    """(y, x) numbers of spectra.MATERIALS."""
    textures: Textures


def make_textures(shape: tuple[int, int], relief: Floats | None, seed: int, region_id: str) -> Textures:
    """Textures of a region, the same in every year; a given map has no terrain and gets made-up relief."""
    rng = noise.generator(seed, region_id, "textures")
    fine = noise.rough(shape, rng, 9, 1.15)
    coarse = 0.85 * noise.coarse_rough(shape, rng, 140) + 0.5 * noise.rough(shape, rng, 30)
    hills = noise.coarse_rough(shape, rng, 60, power=2.2) if relief is None else relief
    return Textures(_stored(fine), _stored(coarse), _stored(hills))


def _stored(field: Floats) -> NDArray[np.int8]:
    return np.asarray(np.clip(np.rint(field * TEXTURE_SCALE), -127, 127), dtype=np.int8)


def materials_of(
    classes: NDArray[np.uint8], seed: int, region_id: str, *, mining_age: Floats | None = None, lot_state: Floats | None = None
) -> NDArray[np.uint8]:
    """Material of every pixel for its class code: (y, x) uint8 in and out.

    `mining_age` is the years since mining came and `lot_state` how green pasture is kept, None where the map does not
    tell. The patterns depend on seed and region id alone, so that unchanged ground keeps its materials from year to year.
    """
    rng = noise.generator(seed, region_id, "materials")
    patches = 0.75 * noise.coarse_rough(classes.shape, rng, 45, step=3, power=1.8) + 0.66 * noise.rough(classes.shape, rng, 8)
    rank = ndtr(patches)
    pasture_rank = rank if lot_state is None else ndtr(0.75 * patches + 1.1 * lot_state)
    materials = np.empty(classes.shape, dtype=np.uint8)
    for code in np.unique(classes).tolist():
        if code == MINING:
            continue
        row = spectra.class_row(code)
        limits = np.cumsum([share for _, share in row])[:-1].astype(np.float32)
        numbers = np.array([spectra.INDEX[name] for name, _ in row], dtype=np.uint8)
        here = classes == code
        ranks = pasture_rank if code == PASTURE else rank
        materials[here] = numbers[np.searchsorted(limits, ranks[here], side="right")]
    here = classes == MINING
    if here.any():
        materials[here] = _mine_materials(classes.shape, rank, mining_age, rng)[here]
    return materials


def _mine_materials(
    shape: tuple[int, int], rank: Floats, mining_age: Floats | None, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Ponds strung through bright washed tailings, clayey spoil between them, regrowth where work has moved on."""
    pits = 0.75 * noise.blobs(shape, rng, 17, 0.4) + 0.62 * noise.blobs(shape, rng, 36, 0.4) + 0.18 * noise.rough(shape, rng, 8)
    pond_colour = noise.coarse_rough(shape, rng, 50, step=3)
    growth = 0.8 * noise.rough(shape, rng, 60, 1.8) + 0.6 * noise.coarse_rough(shape, rng, 120)
    age = np.full(shape, 5, dtype=np.float32) if mining_age is None else np.clip(mining_age, 0, 14)
    number = spectra.INDEX
    washed = ndtr(0.8 * pits + 0.9 * noise.rough(shape, rng, 22, 1.8))
    materials = np.where(washed < 0.45, number["clay_tailings"], number["bright_tailings"]).astype(np.uint8)
    materials[(washed < 0.16) & (rank < 0.6)] = number["bare_soil"]
    materials[growth > 1.35 - 0.075 * age] = number["mine_regrowth"]
    materials[growth > 2.15 - 0.075 * age] = number["secondary_forest"]
    pond = pits > 0.95 + 0.15 * growth
    turquoise = pond_colour > 0.7 - 0.11 * age
    materials[pond] = np.where(turquoise, number["turquoise_pond"], number["ochre_pond"])[pond]
    materials[pond & (growth > 1.6)] = number["clear_water"]
    return materials


def made_up_ground(
    landscape: Landscape, classes: NDArray[np.uint8], textures: Textures, year: int, key: tuple[int, str]
) -> Ground:
    """Ground of a made-up landscape in a year; `key` is seed and region id.

    Its classes' materials, with fresh clearings burnt and roads, airstrips and forest streams drawn in.
    """
    number, clearings = spectra.INDEX, landscape.clearings
    age = year - landscape.mining_since
    materials = materials_of(classes, *key, mining_age=age, lot_state=clearings.lot_state)
    fresh = (classes == PASTURE) & (clearings.cleared_since > year - 1.5)
    materials[fresh & (textures.coarse > -20)] = number["burnt"]
    dry_land = ~np.isin(classes, (RIVER, MINING))
    materials[clearings.airstrip & dry_land] = number["bare_soil"]
    materials[(clearings.roads > 0.35) & dry_land] = number["road"]
    materials[landscape.waters.streams & (classes == RIVER)] = number["clear_water"]
    return Ground(materials, textures)


def painted_classes(land_cover: Path, year: int, canvas: GeoBox, seed: int, name: str) -> NDArray[np.uint8]:
    """Class codes of a given map on the canvas: (y, x) uint8, nearest, with borders moved by about a pixel.

    A map of one band serves every year; of several bands the one whose description ends in the year is read.
    Ground without a class becomes forest. ValueError for a map without CRS, without the year or with codes outside the legend.
    """
    with opened_raster_file(land_cover) as source:
        band = _band_of(source, year)
        if source.crs is None:
            raise ValueError(f"{land_cover.name} has no CRS; assign one (gdal_edit.py -a_srs) before painting scenes over it.")
        codes = np.zeros(canvas.shape, dtype=np.uint8)
        reproject(
            rasterio.band(source, band),
            codes,
            dst_transform=canvas.affine,
            dst_crs=str(canvas.crs),
            src_nodata=source.nodata,
            dst_nodata=0,
            resampling=Resampling.nearest,
        )
    unknown = sorted(set(np.unique(codes).tolist()) - set(LEGEND) - NO_CLASS_CODES)
    if unknown:
        raise ValueError(
            f"{land_cover.name}, year {year}: codes {unknown} are not in the MapBiomas legend. Give a MapBiomas map."
        )
    without = np.isin(codes, list(NO_CLASS_CODES))
    if without.all():
        raise ValueError(f"{land_cover.name} has no class within region {name} in {year}. Name a region that the map covers.")
    codes[without] = FOREST
    return _with_moved_borders(codes, noise.generator(seed, name, "borders"))


def _band_of(source: rasterio.DatasetReader, year: int) -> int:
    if source.count == 1:
        return 1
    for number, description in enumerate(source.descriptions, start=1):
        if description and description.endswith(f"_{year}"):
            return number
    found = ", ".join(str(description) for description in source.descriptions)
    raise ValueError(f"{Path(source.name).name} has no band for {year}; its bands are {found}. Name a year that it has.")


def _with_moved_borders(codes: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    shape = (codes.shape[0], codes.shape[1])
    rows, columns = (
        np.clip(np.rint(axis + _BORDER_PX * noise.rough(shape, rng, 7, 2.0)).astype(np.int64), 0, size - 1)
        for axis, size in zip(np.indices(shape), shape, strict=True)
    )
    return codes[rows, columns]


def painted_ground(classes: NDArray[np.uint8], seed: int, name: str) -> Ground:
    """Ground of a given map: its classes' materials under made-up textures."""
    return Ground(materials_of(classes, seed, name), make_textures((classes.shape[0], classes.shape[1]), None, seed, name))
