"""A person's decision on one detection of a region in one year: false alarm or mining; what makes it sound, and its log."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import shapely
from shapely.geometry.base import BaseGeometry

from mining_platform.pipeline import Platform
from mining_platform.regions import Region
from mining_platform.reviews import chains, log_places
from mining_platform.reviews.decisions import LONGEST_REASON, LONGEST_REVIEWER, text_problems
from mining_platform.reviews.log_places import Place

CONFIRM, REJECT, WITHDRAW = "confirm", "reject", "withdraw"
DETECTION_DECISIONS = (CONFIRM, REJECT, WITHDRAW)
CHANGES, DETECTIONS = "changes", "detections"
SHOWN = (CHANGES, DETECTIONS)
"""Assets whose outlines are decided on: what is new in a year, and all that was found in it."""
WKT_DECIMALS = 8  # of degrees, 1 mm


@dataclass(frozen=True)
class DetectionDecision:
    """What a person decided; a later one on the same outline and year stands over it."""

    region: str
    year: int
    asset: str
    """One of SHOWN: whose outline it is."""
    detection_id: str
    """`mask_outlines.outline_id`."""
    decision: str
    """`confirm`: there is mining. `reject`: a false alarm. `withdraw`: earlier decisions on the outline do not hold."""
    also_later: bool
    """Of a reject: it holds in all later years too, until somebody confirms the ground in one of them."""
    reviewer: str
    reason: str
    """Why; may be empty but for a reject."""
    seen: str
    """Digest of the version of the asset whose outlines the person looked at; empty where nobody knows."""
    geometry: str
    """The outline as WKT in EPSG:4326, longitude first, with WKT_DECIMALS: what a map that is made anew is held against."""

    @property
    def shape(self) -> BaseGeometry:
        """The outline."""
        return shapely.from_wkt(self.geometry)


@dataclass(frozen=True)
class DetectionEntry(chains.Link, DetectionDecision):
    """A decision as taken down."""


DETECTION_FORM = chains.Form(DetectionEntry, "region")


def detection_log(platform: Platform, region_id: str) -> Place:
    """Where the decisions on the detections of a region are kept."""
    return log_places.place_of(platform, DETECTIONS, region_id)


def read_detection_log(place: Place) -> chains.Log[DetectionEntry]:
    """As `log_places.read`, the decisions on a region's detections."""
    return log_places.read(place, DETECTION_FORM)


def append_detection_decisions(
    place: Place, decisions: Sequence[DetectionDecision], now: datetime | None = None
) -> list[DetectionEntry]:
    """As `log_places.append`, decisions on a region's detections."""
    return log_places.append(place, DETECTION_FORM, decisions, now)


def newest(entries: Iterable[DetectionEntry]) -> list[DetectionEntry]:
    """The newest decision on each outline and year, in order of year and number; withdrawals too."""
    found = {(entry.year, entry.asset, entry.detection_id): entry for entry in entries}
    return sorted(found.values(), key=lambda entry: (entry.year, entry.number))


def standing(entries: Iterable[DetectionEntry]) -> list[DetectionEntry]:
    """The decisions in force, as `newest` without withdrawals."""
    return [entry for entry in newest(entries) if entry.decision != WITHDRAW]


def written(shape: BaseGeometry) -> str:
    """An outline as a decision keeps it."""
    return str(shapely.to_wkt(shape, rounding_precision=WKT_DECIMALS, trim=True))


def detection_problems(decision: DetectionDecision, region: Region) -> Iterator[str]:
    """What is wrong with a decision on a detection of the region, each in words with the remedy."""
    if decision.region != region.id or decision.year not in region.years:
        yield f"{region.id} is not followed in {decision.year}"
    if decision.asset not in SHOWN:
        yield f"{decision.asset!r} has no outlines to decide on; choose {', '.join(SHOWN)}"
    if decision.decision not in DETECTION_DECISIONS:
        yield f"{decision.decision!r} is no decision; choose {', '.join(DETECTION_DECISIONS)}"
    if decision.also_later and decision.decision != REJECT:
        yield f"only a reject holds in later years too, not {decision.decision!r}"
    yield from text_problems("reviewer", decision.reviewer, LONGEST_REVIEWER, required=True)
    yield from text_problems("reason", decision.reason, LONGEST_REASON, required=decision.decision == REJECT)
