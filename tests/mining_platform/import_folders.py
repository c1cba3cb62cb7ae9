"""Tiny folders of patches as others lay them out, with known pixels."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from mining_platform.artifacts import ArtifactStore
from mining_platform.imports.found import Request
from mining_platform.imports.publishing import Imported, import_patches

PX, EPSG = 8, 32630
VIRIDIS = {0: (68, 1, 84), 1: (32, 144, 140), 2: (253, 231, 36)}


def ground(number: int) -> Affine:
    """Ground of its own for each number, in metres of EPSG."""
    return Affine(10, 0, 600_000 + 1_000 * number, 0, -10, 700_000)


def write_tif(
    path: Path, values: np.ndarray, *, place: Affine | None = None, nodata: float | None = None, names: Sequence[str] = ()
) -> Path:
    """A GeoTIFF of (band, y, x) or (y, x)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = values if values.ndim == 3 else values[None]
    shape = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2], "dtype": bands.dtype.name}
    where = {} if place is None else {"crs": f"EPSG:{EPSG}", "transform": place}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="GTiff", nodata=nodata, **shape, **where) as raster:
            raster.write(bands)
            raster.descriptions = tuple(names) or raster.descriptions
    return path


def stack(number: int, dtype: str = "float32") -> np.ndarray:
    """13 channels of SmallMinesDS: reflectance x 10,000, Sentinel-1 in dB, height in metres; no two numbers alike."""
    values = np.empty((13, PX, PX), dtype)
    values[:10] = 1_000 + 100 * np.arange(10)[:, None, None] + number + np.arange(PX * PX).reshape(PX, PX)
    values[10:12] = np.array([-11, -18])[:, None, None] + (np.arange(PX)[None, :, None] / 8 if dtype == "float32" else 0)
    values[12] = 200 + number
    return values


def mask(mining_px: int) -> np.ndarray:
    """As many pixels of mining, in rows from the upper left, and the last one without a class."""
    values = np.zeros(PX * PX, np.uint8)
    values[:mining_px], values[-1] = 1, 255
    return values.reshape(PX, PX)


def write_smallmines(
    folder: Path, tiles: Mapping[int, Mapping[int, int]], *, gh: bool = True, dtype: str = "float32", image: str = "IMAGE"
) -> Path:
    """Stacks and masks: tile -> year -> pixels of mining; those of 2016 are `stack(tile)`."""
    code = "GH_" if gh else ""
    for tile, years in tiles.items():
        for year, mining_px in years.items():
            name = f"{code}{tile:04d}_{year}.tif"
            write_tif(
                folder / str(year) / image / f"IMG_{name}",
                stack(tile + 10 * (year - 2016), dtype),
                place=ground(tile),
                nodata=-9999,
            )
            write_tif(folder / str(year) / "MASK" / f"MASK_{name}", mask(mining_px), place=ground(tile), nodata=255)
    return folder


def write_splits(path: Path, rows: Sequence[tuple[str, float, str]]) -> None:
    """A table of splits: name, per cent, side."""
    lines = [f"{name},{percent},bin_{int(percent // 10)},{side}" for name, percent, side in rows]
    path.write_text("\n".join(["patch_name,class_percentage,bin,split", *lines]) + "\n")


def site_label() -> np.ndarray:
    """A row of cloud, a row of mining, else background."""
    label = np.zeros((PX, PX), np.uint8)
    label[0], label[1] = 1, 2
    return label


def write_label_png(path: Path, label: np.ndarray, mode: str = "P") -> None:
    """A site's label as palette, gray, or colour picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode in ("P", "L"):
        picture = Image.fromarray(label)
        if mode == "P":
            picture.putpalette([part for value in range(3) for part in VIRIDIS[value]])
    else:
        colours = np.array([VIRIDIS[value] for value in range(3)], np.uint8)[label]
        opaque = np.full((*label.shape, 1), 255, np.uint8)
        picture = Image.fromarray(np.concatenate([colours, opaque], axis=2) if mode == "RGBA" else colours)
    picture.save(path)


def landsat(number: int) -> np.ndarray:
    """Seven bands of Landsat 4 to 7 as reflectance from 0 to 1; band 6 is thermal, in kelvin."""
    values = np.linspace(0.05, 0.3, 7 * PX * PX, dtype=np.float32).reshape(7, PX, PX) + np.float32(0.001 * number)
    values[5] = 300
    return values


def write_sites(
    folder: Path, sites: Mapping[str, Sequence[str]], *, mode: str = "P", mapping: str = "filename_mapping.csv"
) -> Path:
    """Images and labels: split -> sites, one image each."""
    rows = ["split,site,original,new,index"]
    number = 0
    for split, names in sites.items():
        for site in names:
            write_tif(folder / split / "images" / site / "00000.tif", landsat(number), place=ground(number))
            write_label_png(folder / split / "labels" / site / "00000.png", site_label(), mode)
            rows.append(f"{split},{site},LT05_{site}_20050817.tif,00000.tif,0")
            number += 1
    (folder / mapping).write_text("\n".join(rows) + "\n")
    return folder


def write_labelled(folder: Path, count: int = 4, suffix: str = ".npy", **columns: Any) -> Path:
    """Patches of three bands and their table; a column given by name replaces the usual one."""
    folder.mkdir(parents=True, exist_ok=True)
    usual = {
        "id": [f"p{number}" for number in range(count)],
        "lon": [-1.9 + 0.01 * number for number in range(count)],
        "lat": [6.1] * count,
        "date": ["2021-03-04"] * count,
        "label": ["mining" if number % 2 else "other" for number in range(count)],
        "split": ["train"] * (count - 1) + ["test"],
    }
    table = {**usual, **columns}
    for number in range(count):
        values = reflectance(number)
        if suffix == ".npy":
            np.save(folder / f"p{number}.npy", values)
        else:
            write_tif(folder / f"p{number}.tif", values, place=ground(number))
    lines = [",".join(map(str, row)) for row in zip(*table.values(), strict=True)]
    (folder / "labels.csv").write_text("\n".join([",".join(table), *lines]) + "\n")
    return folder


def reflectance(number: int) -> np.ndarray:
    """Three bands (band, y, x) float32 from 0.05 to 0.2, no two patches alike."""
    return (np.linspace(0.05, 0.2, 3 * PX * PX, dtype=np.float32) + np.float32(0.001 * number)).reshape(3, PX, PX)


def imported(folder: Path, store: ArtifactStore, layout: str, **options: Any) -> Imported:
    """An import with a region, called as the folder."""
    asked = {"region": "ashanti", "name": "given", **options}
    return import_patches(store, Request(folder=folder, source=folder.name, layout=layout, **asked), lambda _text, _share: None)
