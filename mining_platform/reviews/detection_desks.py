"""What a person reviews of a region's detections: outlines of one year with their ground, and taking decisions on them down."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, cast

import geopandas as gpd
import pandas as pd
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from mining_platform import changes, detections
from mining_platform.annual_reports.new_sites import PictureMaker, Views, mosaic_picture, views_of
from mining_platform.artifacts import Artifact, current_digest, open_artifact
from mining_platform.change_polygons import M2_PER_HA
from mining_platform.detection_maps import MASK_NAME
from mining_platform.monitoring_steps import required_monitoring
from mining_platform.mosaic_arrays import MOSAIC_NAME, open_mosaic
from mining_platform.pipeline import Platform, ref
from mining_platform.regions import Region
from mining_platform.reviews.decisions import ReviewError
from mining_platform.reviews.desks import NAMED_PROBLEMS
from mining_platform.reviews.detection_decisions import (
    CHANGES,
    DETECTIONS,
    WITHDRAW,
    DetectionDecision,
    DetectionEntry,
    append_detection_decisions,
    detection_log,
    detection_problems,
    newest,
    read_detection_log,
    written,
)
from mining_platform.reviews.log_places import Place
from mining_platform.reviews.mask_pictures import mask_picture

YES, NO = "yes", ""
"""How a page or a file tells whether a reject holds in later years too."""
PLACES_COLUMNS = ("detection_id", "area_ha", "is_large")


@dataclass(frozen=True)
class DetectionProposal:
    """A decision as a page or a file tells it; the rest is the desk's."""

    detection_id: str
    decision: str
    also_later: str
    """YES or NO."""
    reviewer: str
    reason: str


@dataclass(frozen=True)
class DetectionDesk:
    """The outlines of one asset, region and year, laid out for review."""

    platform: Platform
    region: Region
    year: int
    shown: Artifact
    """`changes`, whose new mining is looked at, or `detections`, of which everything is."""
    places: gpd.GeoDataFrame
    """PLACES_COLUMNS and geometry, EPSG:4326, largest first; those decided on that are in the maps no more come last."""

    @property
    def asset(self) -> str:
        """One of `detection_decisions.SHOWN`."""
        return self.shown.ref.asset

    @property
    def log(self) -> Place:
        """The region's log of decisions."""
        return detection_log(self.platform, self.region.id)

    @property
    def simulated(self) -> bool:
        """Whether what is shown is simulated."""
        return bool(self.shown.facts.get("simulated"))

    @cached_property
    def shapes(self) -> Mapping[str, BaseGeometry]:
        """Outline of each place, EPSG:4326, by its id."""
        return dict(zip(self.places["detection_id"], self.places.geometry, strict=True))

    @cached_property
    def pictures(self) -> Mapping[int, PictureMaker]:
        """Of the year and of the one before: the whole mosaics, or where there is none of either, the maps of what was found."""
        if self.mosaics:
            return {year: partial(mosaic_picture, open_mosaic(each.path / MOSAIC_NAME)) for year, each in self.mosaics.items()}
        masks = {year: each.path / MASK_NAME for year, each in self._published(DETECTIONS).items()}
        return {year: partial(mask_picture, mask, self.region.epsg) for year, mask in masks.items()}

    @cached_property
    def mosaics(self) -> Mapping[int, Artifact]:
        """Whole mosaics of the year and of the one before, as far as there are any."""
        return self._published("mosaic") if self.region.coverage == "full" else {}

    def _published(self, asset: str) -> dict[int, Artifact]:
        refs = {year: ref(asset, self.region.id, year) for year in (self.year - 1, self.year)}
        made = {year: each for year, each in refs.items() if current_digest(self.platform.artifacts, each) is not None}
        return {year: open_artifact(self.platform.artifacts, each) for year, each in made.items()}

    def views(self, row: int) -> Views:
        """The ground of the place in a row, in the pictures that there are."""
        return views_of(cast("Polygon", self.places.geometry.iloc[row]), self.region.epsg, self.pictures)

    def frame(self, row: int) -> Views:
        """As `views`, without pictures."""
        return views_of(cast("Polygon", self.places.geometry.iloc[row]), self.region.epsg, {})


def open_detection_desk(platform: Platform, region: Region, year: int, asset: str) -> DetectionDesk:
    """Lay out the published outlines of an asset of `detection_decisions.SHOWN`, and those decided on before.

    ReviewError where there are none, with the remedy; ArtifactError where they are damaged; RegionError where the region is not
    monitored.
    """
    least = required_monitoring(region).min_area_ha
    published = ref(asset, region.id, year)
    if current_digest(platform.artifacts, published) is None:
        raise ReviewError(
            f"{region.id} has no {asset} of {year}. "
            f"Make them: mining-platform materialize --assets {asset} --regions {region.id} --years {year}"
        )
    shown = open_artifact(platform.artifacts, published)
    entries = [entry for entry in _entries(platform, region, year) if entry.asset == asset]
    return DetectionDesk(platform, region, year, shown, _with_decided(_outlines(shown, least), entries, least))


def _outlines(shown: Artifact, least_ha: float) -> gpd.GeoDataFrame:
    """The outlines of an artifact, largest first."""
    if shown.ref.asset == CHANGES:
        table = gpd.read_parquet(shown.path / changes.NEW_NAME).rename(columns={"change_id": "detection_id"})
    else:
        table = gpd.read_parquet(shown.path / detections.PARQUET_NAME)
        hectares = table["area_m2"] / M2_PER_HA
        table = table.assign(area_ha=hectares, is_large=hectares > least_ha)
    ordered = table.sort_values(["area_ha", "detection_id"], ascending=[False, True], ignore_index=True)
    return ordered[[*PLACES_COLUMNS, "geometry"]]


def _with_decided(places: gpd.GeoDataFrame, entries: Sequence[DetectionEntry], least_ha: float) -> gpd.GeoDataFrame:
    """The outlines with those that were decided on and are there no more, such as rejected ones."""
    here = set(places["detection_id"])
    gone = {entry.detection_id: entry.shape for entry in entries if entry.detection_id not in here}
    if not gone:
        return places
    table = gpd.GeoDataFrame({"detection_id": list(gone)}, geometry=list(gone.values()), crs=4326)
    hectares = table.to_crs(table.estimate_utm_crs()).area / M2_PER_HA
    table = table.assign(area_ha=hectares, is_large=hectares > least_ha)[[*PLACES_COLUMNS, "geometry"]]
    return gpd.GeoDataFrame(pd.concat([places, table], ignore_index=True), crs=4326)


def _entries(platform: Platform, region: Region, year: int) -> list[DetectionEntry]:
    entries = read_detection_log(detection_log(platform, region.id)).entries
    return [entry for entry in entries if entry.year == year]


def detection_decisions_on(desk: DetectionDesk) -> dict[str, DetectionEntry]:
    """The newest decision on each of the desk's outlines, withdrawals too."""
    entries = (entry for entry in _entries(desk.platform, desk.region, desk.year) if entry.asset == desk.asset)
    return {entry.detection_id: entry for entry in newest(entries)}


def take_down_detections(
    desk: DetectionDesk, proposals: Sequence[DetectionProposal], *, seen: bool = True
) -> list[DetectionEntry]:
    """Append decisions to the region's log, all or none; `seen` says whether people looked at the outlines of this very desk.

    ReviewError names each that is not sound: on an outline that is not on the desk, or twice in one go.
    """
    decisions, wrong, decided = [], [], set()
    for number, proposal in enumerate(proposals, start=1):
        decision = _decision(desk, proposal, seen=seen)
        found = [*_told_problems(desk, proposal), *detection_problems(decision, desk.region)]
        found += ["it is decided on twice here; leave one line"] if proposal.detection_id in decided else []
        decided.add(proposal.detection_id)
        decisions.append(decision)
        wrong += [f"decision {number} ({proposal.detection_id!r}): {'; '.join(found)}"] if found else []
    if wrong:
        more = f" And {len(wrong) - NAMED_PROBLEMS} more." if len(wrong) > NAMED_PROBLEMS else ""
        raise ReviewError(f"Nothing was taken down. {' | '.join(wrong[:NAMED_PROBLEMS])}.{more}")
    return append_detection_decisions(desk.log, decisions) if decisions else []


def _decision(desk: DetectionDesk, proposal: DetectionProposal, *, seen: bool) -> DetectionDecision:
    shape = desk.shapes.get(proposal.detection_id)
    return DetectionDecision(
        region=desk.region.id,
        year=desk.year,
        asset=desk.asset,
        detection_id=proposal.detection_id,
        decision=proposal.decision,
        also_later=proposal.also_later == YES,
        reviewer=proposal.reviewer,
        reason=proposal.reason,
        seen=desk.shown.digest if seen else "",
        geometry="" if shape is None else written(shape),
    )


def _told_problems(desk: DetectionDesk, proposal: DetectionProposal) -> Iterator[str]:
    if proposal.detection_id not in desk.shapes:
        yield f"it is not among the {desk.asset} of {desk.region.id} in {desk.year}; take the id from the page or the map's file"
    if proposal.also_later not in (YES, NO):
        yield f"also_later is {proposal.also_later!r}; write {YES!r} or nothing"
    if proposal.decision == WITHDRAW and proposal.detection_id not in detection_decisions_on(desk):
        yield "nobody decided on it, so there is nothing to withdraw"


def described_detection(entry: DetectionEntry) -> dict[str, Any]:
    """A decision as pages and scripts are told of it."""
    names = ("detection_id", "region", "year", "asset", "decision", "also_later", "reviewer", "reason", "time", "number")
    return {name: getattr(entry, name) for name in names}
