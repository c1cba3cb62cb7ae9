"""Which scenes of an archive's folder are a region's in a year. Metadata are read for scenes of the year only."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mining_platform.regions import Region, expand, required_scenes
from mining_platform.scene_collections import has_bands
from mining_platform.sources.archives import items as archive_items
from mining_platform.sources.archives import landsat, safe
from mining_platform.sources.archives.folders import Candidate, FolderError, Found, SceneFolder, scene_folders, unread
from mining_platform.sources.stac_metadata.declared_source import refuse

_OTHER_COLLECTION, _OTHER_YEAR, _ELSEWHERE = "of other collections", "of other years", "elsewhere"
_WITHOUT_BANDS = "without bands that are asked for"


@dataclass(frozen=True)
class Listing:
    """A region's scenes of a year, by id."""

    root: Path
    found: tuple[Found, ...]
    superseded: tuple[str, ...]
    """Places of older processings of the same acquisitions, left out."""


def remedy_of(region: Region) -> str:
    """How to get scenes that are missing or damaged."""
    simulated = required_scenes(region).simulated
    return "Make them anew with `mining-platform simulate`." if simulated else "Put the scenes' files there anew."


def root_of(region: Region, year: int | None) -> Path:
    """The archive's folder, resolved; SourceError where there is none."""
    place = expand(required_scenes(region).href)
    if "://" in place or place.startswith("/vsi"):
        raise refuse(region, year, "an archive is a folder on this machine", "Name a folder in the region file.")
    root = Path(place).resolve()
    if not root.is_dir():
        raise refuse(region, year, f"there is no folder {place}", f"Mend href in the region file. {remedy_of(region)}")
    return root


def listing(region: Region, year: int) -> Listing:
    """The scenes of a calendar year (UTC) that touch the outline; SourceError where there are none or one is wrong."""
    root, passed = root_of(region, year), Counter[str]()
    try:
        every = [_found(root, folder, region, year, passed) for folder in scene_folders(root, _is_product)]
        if not any(every):
            raise refuse(region, year, _nothing(root, passed), _ask_otherwise(region))
    except FolderError as error:
        raise refuse(region, year, str(error), remedy_of(region)) from None
    kept, superseded = _newest([found for found in every if found is not None])
    _check(region, year, kept)
    return Listing(root, tuple(kept), tuple(found.place for found in superseded))


def _is_product(name: str) -> bool:
    return safe.product_name(name) is not None or landsat.product_name(name) is not None


def _found(root: Path, folder: SceneFolder, region: Region, year: int, passed: Counter[str]) -> Found | None:
    """The scene of a folder; None where it is not asked for, which `passed` counts by reason."""
    candidate, found = candidate_of(root, folder, region), None
    if candidate is None or required_scenes(region).collection not in candidate.collections:
        reason = _OTHER_COLLECTION
    elif candidate.year != year:
        reason = _OTHER_YEAR
    elif not has_bands(candidate.level, required_scenes(region).channels):
        reason = _WITHOUT_BANDS
    else:
        reason, found = _ELSEWHERE, candidate.read(region.geometry.intersects)
    passed[reason] += found is None
    return found


def candidate_of(root: Path, folder: SceneFolder, region: Region) -> Candidate | None:
    """The scene of a folder as its name or its item tells; None where it holds none."""
    if folder.item:
        return archive_items.candidate(root, folder.path, region)
    simulated = required_scenes(region).simulated
    sentinel = safe.candidate(root, folder.path, simulated=simulated)
    return sentinel or landsat.candidate(root, folder.path, simulated=simulated)


def _newest(every: Iterable[Found]) -> tuple[list[Found], list[Found]]:
    """(newest processings by scene id, others); two of one baseline are parts of one acquisition, and both count."""
    found = sorted(every, key=lambda row: (row.scene.scene_id, row.place))
    versions: dict[tuple[str, ...], tuple[float | str, ...]] = {}
    for row in found:
        versions[row.acquisition] = max(row.version, versions.get(row.acquisition, ()))
    kept = [row for row in found if row.version == versions[row.acquisition]]
    return kept, [row for row in found if row.version != versions[row.acquisition]]


def _check(region: Region, year: int, found: Iterable[Found]) -> None:
    """SourceError for an id that is there twice, and for a scene without a band of the collection's profile."""
    places: dict[str, str] = {}
    channels = required_scenes(region).channels
    for row in found:
        scene = row.scene
        if scene.scene_id in places:
            problem = f"scene {scene.scene_id} is there twice, as {places[scene.scene_id]} and {row.place}"
            raise refuse(region, year, problem, "Remove one of the folders.")
        places[scene.scene_id] = row.place
        if missing := [band_id for band_id in channels if band_id not in scene.hrefs]:
            problem = f"scene {scene.scene_id} lacks bands {', '.join(missing)} at their native resolution"
            raise refuse(region, year, f"{problem}; it has {', '.join(scene.hrefs)}", remedy_of(region))


def _nothing(root: Path, passed: Counter[str]) -> str:
    """That there is no scene, and what there is instead."""
    others = [f"{count} {reason}" for reason, count in sorted(passed.items()) if count]
    others += [f"unreadable {kind}" for kind in unread(root, landsat.UNREADABLE)]
    told = f"; the folder holds {', '.join(others)}" if others else "; the folder holds no scene at all"
    return f"no scene touches the outline in that year{told}"


def _ask_otherwise(region: Region) -> str:
    span = f"from {min(region.years)} to {max(region.years)}"
    return f"Ask for another year ({span} are declared), or add scenes. {remedy_of(region)}"
