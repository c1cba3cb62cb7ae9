"""The simulated archive on disk: yearly land-cover maps, a STAC catalogue of Sentinel-2 L2A scenes, and parts beside them."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mining_platform.processes import answers
from mining_platform.regions import Region
from mining_platform.simulation import catalog, landscape
from mining_platform.simulation.calendar import MAX_DATES, MIN_DATES, SceneSpec, plan_scenes
from mining_platform.simulation.grounds import year_grounds
from mining_platform.simulation.land_cover_maps import write_land_cover
from mining_platform.simulation.parts import PARTS, Rows
from mining_platform.simulation.places import Place, YearGround
from mining_platform.simulation.scene_files import write_scene
from mining_platform.simulation.stac_documents import write_json

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
    also: tuple[str, ...]
    """Rows of parts.PARTS, in their order."""


class ArchiveError(ValueError):
    """The archive cannot be written as asked; the message says why and what to do."""


def write_archive(  # noqa: PLR0913 - each is a choice of its own, and all but three are named
    out: Path,
    regions: Sequence[Region],
    years: Sequence[int],
    *,
    seed: int,
    dates_per_year: int,
    land_cover: Path | None = None,
    also: Sequence[str] = (),
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write the archive of some regions and years into the directory `out` and return its facts.

    `land_cover/<region>_coverage_<year>.tif` and `stac/catalog.json` lie in `out`; with `land_cover` (a MapBiomas raster)
    scenes are painted over that map and no map is written. `also` names rows of parts.PARTS, which lie in folders of their own
    and change no other file. A directory appears whole or not at all. An archive of the same parameters that has all parts
    asked for is left as it is (`reused` is true in the facts), one of other parameters is replaced, and any other directory is
    refused with ArchiveError.
    """
    parts = tuple(sorted(set(also), key=lambda part: (*PARTS, part).index(part)))
    request = _Request(tuple(regions), tuple(sorted(years)), seed, dates_per_year, land_cover, parts)
    parameters = _parameters(request)
    found = _existing(out)
    if found is not None and _serves(found["parameters"], parameters) and _is_whole(out, found):
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
        write_json(making / "archive.json", document)
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
    _check_parts(request)
    return ({"also": list(request.also)} if request.also else {}) | {
        "format": FORMAT_VERSION,
        "seed": request.seed,
        "years": list(years),
        "dates_per_year": dates,
        "regions": [[region.id, region.epsg, hashlib.sha256(region.geometry.wkb).hexdigest()] for region in request.regions],
        "land_cover_sha256": _sha256(request.land_cover) if request.land_cover else None,
    }


def _check_parts(request: _Request) -> None:
    unknown = [part for part in request.also if part not in PARTS]
    if unknown:
        raise ArchiveError(f"The simulation has no part {', '.join(unknown)}; it has {', '.join(PARTS)}.")
    without = [part for part in request.also if PARTS[part].needs_landscape and request.land_cover is not None]
    if without:
        raise ArchiveError(
            f"Over a given map there can be no {' or '.join(without)}: it tells neither heights nor roads. Leave them out, or "
            "simulate a made-up landscape."
        )


def _serves(found: dict[str, Any], asked: dict[str, Any]) -> bool:
    """Whether an archive of some parameters has all that is asked for."""
    base, wanted = ({name: value for name, value in each.items() if name != "also"} for each in (found, asked))
    return base == wanted and set(asked.get("also", ())) <= set(found.get("also", ()))


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
    """Write maps, scenes, catalogue and parts into `out`; they are made on threads, and a failure stops those not begun."""
    total = len(request.regions) * (len(request.years) * request.dates_per_year + len(request.also))
    items: list[dict[str, Any]] = []
    with ThreadPoolExecutor(min(MAX_WORKERS, os.cpu_count() or 1)) as pool:
        try:
            jobs, part_jobs = _jobs(pool, out, request, lambda text: progress(text, 0.0))
            for job in as_completed(jobs):
                items.append(job.result())
                progress(items[-1]["id"], len(items) / total)
            rows = _finish(out, part_jobs, lambda part, done: progress(part, (len(items) + done) / total))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    items.sort(key=lambda entry: entry["id"])
    write_json(out / "stac" / catalog.COLLECTION / "collection.json", catalog.collection(items))
    write_json(out / "stac" / "catalog.json", catalog.root())
    return {
        "simulated": True,
        "regions": [region.id for region in request.regions],
        "years": list(request.years),
        "scene_count": len(items),
        "scene_ids": [entry["id"] for entry in items],
        "painted_over": request.land_cover.name if request.land_cover else None,
        **({"also": rows} if rows else {}),
    }


def _jobs(
    pool: ThreadPoolExecutor, out: Path, request: _Request, report: Callable[[str], None]
) -> tuple[list[Future[dict[str, Any]]], dict[str, list[Future[Rows]]]]:
    """Scenes, and by part what is written of each region, in the regions' order."""
    jobs: list[Future[dict[str, Any]]] = []
    parts: dict[str, list[Future[Rows]]] = {part: [] for part in request.also}
    for region in request.regions:
        canvas, years, land = landscape.canvas_of(region), dict[int, YearGround](), None
        scenes = {year: _specs(region, year, request) for year in request.years}
        for year, seen, land in year_grounds(region, canvas, request.years, request.seed, request.land_cover):
            if land is not None:
                path = out / "land_cover" / f"{region.id}_coverage_{year}.tif"
                write_land_cover(path, seen.classes, canvas, region, year)
            report(f"ground of {region.id} in {year}")
            for spec in scenes[year]:
                folder = out / "stac" / catalog.COLLECTION / spec.id
                jobs.append(pool.submit(write_scene, folder, spec, seen.ground, canvas, request.seed))
            years |= {year: seen} if request.also else {}
        place = Place(region, canvas, request.seed, land, years, scenes)
        for part, of_part in parts.items():
            of_part.append(pool.submit(PARTS[part].write, out, place))
    return jobs, parts


def _finish(out: Path, jobs: dict[str, list[Future[Rows]]], report: Callable[[str, int], None]) -> dict[str, int]:
    """Wait for the parts of all regions and write what lies over them; number of rows by part."""
    counts: dict[str, int] = {}
    for number, (part, of_part) in enumerate(jobs.items(), 1):
        rows = [row for job in of_part for row in job.result()]
        PARTS[part].finish(out, rows)
        counts[part] = len(rows)
        report(part, number * len(of_part))
    return counts


def _specs(region: Region, year: int, request: _Request) -> tuple[SceneSpec, ...]:
    centre, dates = region.geometry.centroid, request.dates_per_year
    return plan_scenes(region.id, year, longitude=centre.x, latitude=centre.y, dates_per_year=dates, seed=request.seed)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
