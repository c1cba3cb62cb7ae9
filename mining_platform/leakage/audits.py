"""The audit: every kind of leak that a table has the columns for, and in words why the others could not be looked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mining_platform.leakage.findings import Finding
from mining_platform.leakage.grounds import OVERLAP, SAME_PLACE, ground_findings
from mining_platform.leakage.likeness import NEAR_DUPLICATE, likeness_finding
from mining_platform.leakage.pictures import Pictures
from mining_platform.leakage.shared_names import SAME_SCENE, SAME_SITE, scene_finding, site_finding
from mining_platform.leakage.sides import LeakageError, Sides, sides_of
from mining_platform.nearest_footprints import nearest_m
from mining_platform.patch_tables import PatchTable

KINDS = (OVERLAP, SAME_PLACE, SAME_SCENE, NEAR_DUPLICATE, SAME_SITE)
MAX_SIDES = 20  # more sides than this are not measured against each other, two by two


@dataclass(frozen=True)
class LeakageReport:
    """What an audit found, and what it could not look for."""

    patches: int
    """Rows on a side; those without a split or in `buffer` do not count."""
    by_split: Mapping[str, int]
    findings: Mapping[str, Finding]
    """By kind, in the order of KINDS; a kind that could not be looked for is not there."""
    not_checked: Mapping[str, str]
    """Kind that could not be looked for -> why, in words."""
    nearest_m: float | None
    """Distance between the nearest footprints of different sides; None without coordinates, with one side or with many."""

    @property
    def leaking(self) -> tuple[str, ...]:
        """Names of the places that are involved in any kind that counts, sorted."""
        return tuple(sorted({place for each in self.findings.values() if each.counted for place in each.places}))

    @property
    def leaks(self) -> int:
        """Number of places that are involved in any kind that counts."""
        return len(self.leaking)

    def facts(self) -> dict[str, Any]:
        """The report in JSON types; a kind is its number of places, None where it was not looked for."""
        found = self.findings
        return {
            "leaks": self.leaks,
            **{kind: len(found[kind].places) if kind in found else None for kind in KINDS},
            "pairs": {kind: found[kind].pairs if kind in found else None for kind in KINDS},
            "counted": [kind for kind, each in found.items() if each.counted],
            "notes": {kind: each.note for kind, each in found.items() if each.note},
            "worst": {kind: [dict(pair) for pair in each.worst] for kind, each in found.items() if each.worst},
            "not_checked": dict(self.not_checked),
            "patches": self.patches,
            "by_split": dict(self.by_split),
            "nearest_m": self.nearest_m,
        }


def audit(
    table: PatchTable, *, buffer_m: float = 0.0, pictures: Pictures | None = None, count_scenes: bool | None = None
) -> LeakageReport:
    """Whether the same ground, place, scene, site or picture stands on two sides of the table's split.

    Footprints nearer than `buffer_m` overlap for this purpose; touching edges are no leak where it is 0. `pictures` are needed
    for near-duplicates; `count_scenes` as in `shared_names.scene_finding`. The order of rows changes nothing.

    Raises LeakageError for a table without splits, a buffer that is no distance, and where nothing at all can be looked for.
    """
    if not (np.isfinite(buffer_m) and buffer_m >= 0):
        raise LeakageError(f"A buffer of {buffer_m} m is no distance; write 0 or more metres.")
    sides = sides_of(table)
    found, unchecked = ground_findings(sides, buffer_m)
    others = {
        SAME_SCENE: scene_finding(sides, count_scenes),
        NEAR_DUPLICATE: None if pictures is None else likeness_finding(sides, pictures),
        SAME_SITE: site_finding(sides),
    }
    found |= {kind: finding for kind, finding in others.items() if finding is not None}
    unchecked |= {SAME_SCENE: table.missing.get("scene_ids", ""), SAME_SITE: table.missing.get("site", "")}
    unchecked |= {NEAR_DUPLICATE: "no patch store and no folder of images was given"}
    if not found:
        reasons = "; ".join(dict.fromkeys(unchecked.values()))
        raise LeakageError(f"There is nothing to look for leaks by: {reasons}. Name columns, an --id-pattern or images.")
    return LeakageReport(
        patches=len(sides.split),
        by_split={name: int(count) for name, count in zip(sides.names, np.bincount(sides.split), strict=True)},
        findings={kind: found[kind] for kind in KINDS if kind in found},
        not_checked={kind: unchecked[kind] for kind in KINDS if kind not in found},
        nearest_m=_nearest_m(sides, found),
    )


def _nearest_m(sides: Sides, found: Mapping[str, Finding]) -> float | None:
    grounds = sides.table.footprints
    if grounds is None or len(sides.names) > MAX_SIDES:
        return None
    nearest = [pair["distance_m"] for kind in (OVERLAP, SAME_PLACE) if kind in found for pair in found[kind].worst]
    return 0.0 if 0.0 in nearest else nearest_m(grounds, sides.split)
