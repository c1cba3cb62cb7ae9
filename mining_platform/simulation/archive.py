"""The simulated archive on disk: yearly land-cover maps and a static STAC catalogue of Sentinel-2 L2A scenes."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from mining_platform.bands import BANDS
from mining_platform.processes import answers
from mining_platform.regions import Region
from mining_platform.simulation import catalog, landscape, painting, rasters, scenes
from mining_platform.simulation.calendar import MAX_DATES, MIN_DATES, SceneSpec, plan_scenes
from mining_platform.sources.listed_files import multihash

FORMAT_VERSION = 1
"""Raised when the same parameters give other pixels or another layout."""
MAX_WORKERS = 4
"""Scenes made at once: each holds about 300 MB for a region of 16 km."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class _Request:
    """What an archive is made of."""

    regions: tuple[Region, ...]
    years: tuple[int, ...]
    seed: int
    dates_per_year: int
    land_cover: Path | None
    """Map to paint scenes over; None for made-up landscapes."""


class ArchiveError(ValueError):
    """The archive cannot be written as asked; the message says why and what to do."""


def write_archive(
    out: Path,
    regions: Sequence[Region],
    years: Sequence[int],
    *,
    seed: int,
    dates_per_year: int,
    land_cover: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write the archive of some regions and years into the directory `out` and return its facts.

    `land_cover/<region>_coverage_<year>.tif` and `stac/catalog.json` lie in `out`; with `land_cover` (a MapBiomas raster)
    scenes are painted over that map and no map is written. A directory appears whole or not at all. An archive of the same
    parameters is left as it is (`reused` is true in the facts), one of other parameters is replaced, and any other
    directory is refused with ArchiveError.
    """
    request = _Request(tuple(regions), tuple(sorted(years)), seed, dates_per_year, land_cover)
    parameters = _parameters(request)
    found = _existing(out)
    if found is not None and found["parameters"] == parameters and _is_whole(out, found):
        return {**found["facts"], "reused": True}
    _sweep(out)
    making = out.with_name(f"{out.name}.tmp-{os.getpid()}")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        facts = _fill(making, request, progress or (lambda _text, _share: None))
        files = {path.relative_to(making).as_posix(): path.stat().st_size for path in _files(making)}
        facts |= {"files": len(files), "bytes": sum(files.values())}
        document = {"format": FORMAT_VERSION, "simulated": True, "parameters": parameters, "facts": facts, "files": files}
        catalog.write_json(making / "archive.json", document)
        _swap(making, out)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return {**facts, "reused": False}


def _parameters(request: _Request) -> dict[str, Any]:
    """What decides the archive's bytes, as JSON; ArchiveError for a request that cannot be met."""
    ids, years, dates = [region.id for region in request.regions], request.years, request.dates_per_year
    if not ids or not years or len(set(ids)) != len(ids) or len(set(years)) != len(years):
        raise ArchiveError(f"Cannot simulate regions {ids} in years {list(years)}; name each region and each year once.")
    if not MIN_DATES <= dates <= MAX_DATES:
        raise ArchiveError(f"{dates} dates a year cannot be simulated; ask for {MIN_DATES} to {MAX_DATES}.")
    if request.land_cover is not None and not request.land_cover.is_file():
        raise ArchiveError(f"There is no land-cover raster {request.land_cover}; give the path of a MapBiomas GeoTIFF.")
    return {
        "format": FORMAT_VERSION,
        "seed": request.seed,
        "years": list(years),
        "dates_per_year": dates,
        "regions": [[region.id, region.epsg, hashlib.sha256(region.geometry.wkb).hexdigest()] for region in request.regions],
        "land_cover_sha256": _sha256(request.land_cover) if request.land_cover else None,
    }


def _existing(out: Path) -> dict[str, Any] | None:
    """The description of the archive in `out`, None where there is nothing; ArchiveError for anything else."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    try:
        document = json.loads((out / "archive.json").read_text(encoding="utf-8"))
        if document["simulated"] is True and isinstance(document["files"], dict) and "parameters" in document:
            return dict(document)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise ArchiveError(f"{out} exists and is not a simulated archive; name another directory, or remove it yourself.")


def _is_whole(out: Path, document: dict[str, Any]) -> bool:
    sizes = {path.relative_to(out).as_posix(): path.stat().st_size for path in _files(out) if path.name != "archive.json"}
    return sizes == document["files"]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sweep(out: Path) -> None:
    """Remove what writers that are no longer alive left beside `out`."""
    for leftover in out.parent.glob(f"{out.name}.tmp-*"):
        number = leftover.name.rpartition("-")[2]
        if number.isdigit() and not answers(int(number)):
            shutil.rmtree(leftover, ignore_errors=True)


def _swap(made: Path, out: Path) -> None:
    old = out.with_name(f"{out.name}.tmp-old-{os.getpid()}")
    if out.exists():
        out.rename(old)
    made.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _fill(out: Path, request: _Request, progress: Progress) -> dict[str, Any]:
    """Write maps, scenes and catalogue into `out`; scenes are made on threads, and a failure stops those not begun."""
    total = len(request.regions) * len(request.years) * request.dates_per_year
    items: list[dict[str, Any]] = []
    with ThreadPoolExecutor(min(MAX_WORKERS, os.cpu_count() or 1)) as pool:
        try:
            for job in as_completed(_jobs(pool, out, request, lambda text: progress(text, 0.0))):
                items.append(job.result())
                progress(items[-1]["id"], len(items) / total)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    items.sort(key=lambda entry: entry["id"])
    catalog.write_json(out / "stac" / catalog.COLLECTION / "collection.json", catalog.collection(items))
    catalog.write_json(out / "stac" / "catalog.json", catalog.root())
    return {
        "simulated": True,
        "regions": [region.id for region in request.regions],
        "years": list(request.years),
        "scene_count": len(items),
        "scene_ids": [entry["id"] for entry in items],
        "painted_over": request.land_cover.name if request.land_cover else None,
    }


def _jobs(pool: ThreadPoolExecutor, out: Path, request: _Request, report: Callable[[str], None]) -> list[Future[dict[str, Any]]]:
    jobs: list[Future[dict[str, Any]]] = []
    for region, year, ground, geobox in _grounds(out, request):
        report(f"ground of {region.id} in {year}")
        for spec in _specs(region, year, request):
            folder = out / "stac" / catalog.COLLECTION / spec.id
            jobs.append(pool.submit(_write_scene, folder, spec, ground, geobox, request.seed))
    return jobs


def _specs(region: Region, year: int, request: _Request) -> tuple[SceneSpec, ...]:
    centre, dates = region.geometry.centroid, request.dates_per_year
    return plan_scenes(region.id, year, longitude=centre.x, latitude=centre.y, dates_per_year=dates, seed=request.seed)


def _grounds(out: Path, request: _Request) -> Iterator[tuple[Region, int, painting.Ground, GeoBox]]:
    """Ground of each region and year; made-up landscapes also leave their land-cover map in `out`."""
    for region in request.regions:
        geobox = landscape.canvas_of(region)
        if request.land_cover is None:
            grounds = _made_up(out, region, geobox, request)
        else:
            grounds = _painted(request.land_cover, region, geobox, request)
        for year, ground in grounds:
            yield region, year, ground, geobox


def _painted(land_cover: Path, region: Region, geobox: GeoBox, request: _Request) -> Iterator[tuple[int, painting.Ground]]:
    for year in request.years:
        classes = painting.painted_classes(land_cover, year, geobox, request.seed, region.id)
        yield year, painting.painted_ground(classes, request.seed, region.id)


def _made_up(out: Path, region: Region, geobox: GeoBox, request: _Request) -> Iterator[tuple[int, painting.Ground]]:
    shape = (geobox.shape[0], geobox.shape[1])
    land = landscape.make_landscape(shape, request.seed, region.id)
    textures = painting.make_textures(shape, land.waters.relief, request.seed, region.id)
    for year in request.years:
        classes = landscape.classes_in(land, year)
        _write_land_cover(out / "land_cover" / f"{region.id}_coverage_{year}.tif", classes, geobox, region, year)
        yield year, painting.made_up_ground(land, classes, textures, year, (request.seed, region.id))


def _write_land_cover(path: Path, classes: NDArray[np.uint8], geobox: GeoBox, region: Region, year: int) -> None:
    """The class map sampled at the centres of native MapBiomas pixels over the region's bounds and a margin."""
    margin = 0.9 * landscape.MARGIN_DEG
    west, south, east, north = region.geometry.bounds
    grid = rasters.mapbiomas_lattice((west - margin, south - margin, east + margin, north + margin))
    to_canvas = Transformer.from_crs(4326, region.epsg, always_xy=True)
    lat, lon = (axis.values for axis in grid.coordinates.values())
    x, y = to_canvas.transform(*np.meshgrid(lon, lat))
    column = np.floor((x - geobox.affine.c) / geobox.affine.a).astype(np.int64)
    row = np.floor((y - geobox.affine.f) / geobox.affine.e).astype(np.int64)
    values = classes[np.clip(row, 0, classes.shape[0] - 1), np.clip(column, 0, classes.shape[1] - 1)]
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f"land cover of {region.id} in {year}, MapBiomas legend; no real ground"
    colours = rasters.legend_colours()
    rasters.write_cog(path, values, grid, description=text, block_px=256, colours=colours, overviews=True)


def _write_scene(folder: Path, spec: SceneSpec, ground: painting.Ground, geobox: GeoBox, seed: int) -> dict[str, Any]:
    """Make one scene, write its files and item into a new folder, and return the item."""
    folder.mkdir(parents=True)
    scene = scenes.render(spec, ground, seed=seed)
    assets: dict[str, dict[str, Any]] = {}
    for band_id, values in scene.bands.items():
        fields = catalog.band_asset(band_id, geobox, spec.added_dn)
        assets[BANDS[band_id].providers[catalog.PROVIDER]] = fields | _write_layer(folder, band_id, values, geobox, spec)
    layers: tuple[tuple[str, str, NDArray[np.uint8], str, str], ...] = (
        (catalog.SCL_ASSET, "SCL", scene.scl, "Scene classification", "classification"),
        (catalog.CLOUD_ASSET, "CLD", scene.cloud_probability, "Cloud probability in per cent", "cloud"),
    )
    for key, name, layer, title, role in layers:
        assets[key] = catalog.layer_asset(title, geobox, role) | _write_layer(folder, name, layer, geobox, spec)
    document = catalog.item(spec, geobox, scene.scl, assets)
    catalog.write_json(folder / f"{spec.id}.json", document)
    return document


def _write_layer(
    folder: Path, name: str, values: NDArray[np.uint8] | NDArray[np.uint16], geobox: GeoBox, spec: SceneSpec
) -> dict[str, Any]:
    path = folder / f"{name}.tif"
    gsd_m = geobox.shape[0] * 10 // values.shape[0]
    grid = catalog.scaled(geobox, gsd_m)
    rasters.write_cog(path, values, grid, description=f"{name} of {spec.id}; no real ground")
    return {"href": f"./{path.name}", "file:size": path.stat().st_size, "file:checksum": multihash(path)}


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
