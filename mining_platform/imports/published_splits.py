"""Whether the split that others published leaks: told, and kept as it is, so that their figures can be repeated."""

from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import shapely

from mining_platform.footprints import Footprints, is_in_metres
from mining_platform.imports.findings import Finding
from mining_platform.imports.tables import GROUND_COLUMNS
from mining_platform.leakage.audits import KINDS, audit
from mining_platform.leakage.sides import LeakageError
from mining_platform.patch_tables import PatchTable


def leakage_of(table: pd.DataFrame) -> tuple[tuple[Finding, ...], dict[str, Any]]:
    """Places on two sides of the published split by kind of leak, as findings and facts; nothing where there is no split.

    `table` is that of `tables.imported_table`, of all years together.
    """
    if not (table["published_split"] != "").any():
        return (), {"leakage": None}
    try:
        report = audit(_patches(table))
    except LeakageError as error:
        return (), {"leakage": {"not_audited": str(error)}}
    told = tuple(
        Finding(kind, f"places are on two sides of the published split ({kind}); the split is kept", tuple(finding.places))
        for kind, finding in report.findings.items()
        if finding.counted and finding.places
    )
    counts = {kind: len(report.findings[kind].places) if kind in report.findings else None for kind in KINDS}
    return told, {"leakage": {"leaks": report.leaks, **counts, "by_split": dict(report.by_split), "patches": report.patches}}


def _patches(table: pd.DataFrame) -> PatchTable:
    known = [name for name in ("patch_id", "place", "year", "region") if name in table]
    sides = table["split"].where(table["split"] != "", table["published_split"])  # a side spelled in two ways is one
    rows = table[known].assign(split=sides)
    missing = {"range": "not needed", "scene_ids": "imported patches name no scenes"}
    if (table["site"] != "").all():
        rows = rows.assign(site=table["site"])
    else:
        missing["site"] = "the layout has no sites"
    grounds = _footprints(table)
    if grounds is None:
        missing["footprints"] = "not every image has a place in a CRS in metres"
    return PatchTable(rows.reset_index(drop=True), grounds, MappingProxyType(missing))


def _footprints(table: pd.DataFrame) -> Footprints | None:
    """Outlines of the images where all have a place in metres."""
    ground = table[list(GROUND_COLUMNS)]
    if not all(is_in_metres(int(code)) for code in set(ground["epsg"])):
        return None
    bounds = ground[["minx", "miny", "maxx", "maxy"]].to_numpy(float)
    return Footprints(np.asarray(shapely.box(*bounds.T), dtype=object), ground["epsg"].to_numpy(np.int64))
