"""Tables with known leaks for the tests of the audit."""

from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from mining_platform.footprints import window_footprints
from mining_platform.patch_tables import PatchTable, take

PX = 128  # 1,280 m
ABSENT = ("place", "year", "site", "region", "range", "split", "scene_ids", "footprints")


def table_of(rows: pd.DataFrame, windows: list[str] | None = None) -> PatchTable:
    """A table of rows, on the ground of windows where they are given."""
    known = {*rows.columns, *([] if windows is None else ["footprints"])}
    missing = {name: f"the test has no column {name}" for name in ABSENT if name not in known}
    grounds = None if windows is None else window_footprints(windows)
    return PatchTable(rows.reset_index(drop=True), grounds, MappingProxyType(missing))


def patches(*listed: tuple[str, str, int, str], **columns: list[Any]) -> PatchTable:
    """Patches of (window id, place, year, split), called p00, p01 and so on."""
    rows = pd.DataFrame(listed, columns=["window", "place", "year", "split"])
    rows.insert(0, "patch_id", [f"p{number:02d}" for number in range(len(rows))])
    return table_of(rows.drop(columns="window").assign(**columns), rows["window"].tolist())


def clean(seed: int, places: int = 60) -> tuple[pd.DataFrame, list[str]]:
    """Rows and windows of places in two years, in fields that belong to one side each, with a field's gap between sides."""
    rng = np.random.default_rng(seed)
    field = rng.integers(0, 6, places)
    cell = rng.permutation(100)[:places]
    east, north = field * 40 + cell % 10, cell // 10
    windows = [f"32722_{50_000 + x * PX}_{900_000 + y * PX}_{PX}" for x, y in zip(east, north, strict=True)]
    side = np.array(["train", "train", "val", "train", "test", "train"])[field]
    rows = pd.DataFrame({"place": windows, "split": side})
    rows = pd.concat([rows.assign(year=year) for year in (2016, 2022)], ignore_index=True)
    rows.insert(0, "patch_id", rows["place"] + "_" + rows["year"].astype(str))
    return rows, rows["place"].tolist()


def shuffled(table: PatchTable, seed: int) -> PatchTable:
    """The same table in another order."""
    return take(table, np.random.default_rng(seed).permutation(len(table.rows)))
