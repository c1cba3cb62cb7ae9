"""The README of a package: what is in it, in numbers, where it comes from and under which terms."""

from collections.abc import Sequence

import pandas as pd

from mining_platform import figures
from mining_platform.datasets import RANGES
from mining_platform.splits.rules import SPLIT_ORDER

BANNER = (
    "> **SIMULATED.** These patches rest on simulated data. They show how the platform works and say nothing about any real\n"
    "> place; do not train, map or cite with them.\n"
)


def dataset_card(published: pd.DataFrame, shortage: pd.DataFrame, *, title: str, licence_lines: Sequence[str]) -> str:
    """Markdown text from the published patches and the shortage table; the SIMULATED banner leads where it applies."""
    simulated = bool(published["simulated"].any()) if len(published) else False
    parts = [
        f"# {figures.mark_title(title, simulated=simulated)}\n",
        BANNER if simulated else "",
        _overview(published),
        "## Patches per range and split\n\nRanges are left-open and right-closed, in per cent; exactly 0 is its own.\n\n"
        + _table(_counts(published)),
        "## Wanted, found, taken\n\n" + _table(shortage) + "\n\nTaken windows that turn out too cloudy are dropped afterwards.\n",
        _files(),
        "## Sources, licence, attribution\n\n" + "".join(f"- {line}\n" for line in licence_lines),
    ]
    return "\n".join(part for part in parts if part)


def _overview(published: pd.DataFrame) -> str:
    if published.empty:
        return "There are no patches in this package.\n"
    regions = ", ".join(f"{region} ({number})" for region, number in published["region"].value_counts().sort_index().items())
    size = int((published["maxx"] - published["minx"]).iloc[0])
    collections = ", ".join(sorted(published["label_collection"].unique()))
    return (
        f"{len(published)} patches of {size} m a side, year {', '.join(map(str, sorted(published['year'].unique())))}. "
        f"Regions: {regions}.\nLabels: land-cover collection {collections}, recipe `{published['recipe'].iloc[0]}`; "
        f"image profile `{published['profile'].iloc[0]}`.\n"
    )


def _counts(published: pd.DataFrame) -> pd.DataFrame:
    """Patches per range (rows) and split (columns), with totals."""
    names = [name for name in SPLIT_ORDER if (published["split"] == name).any()]
    counts = pd.crosstab(published["range"], published["split"]).reindex(index=list(RANGES), columns=names, fill_value=0)
    counts["all"] = counts.sum(axis=1)
    counts.loc["all"] = counts.sum()
    return counts.rename_axis("range").reset_index()


def _table(frame: pd.DataFrame) -> str:
    rows = [list(map(str, frame.columns)), ["---"] * len(frame.columns), *(list(map(str, row)) for row in frame.to_numpy())]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _files() -> str:
    top, gamma = figures.RGB_MAX_REFLECTANCE, figures.RGB_GAMMA
    return (
        "## Files\n\n"
        f"- `images/range_<range>/<patch_id>.png`: red, green, blue. Reflectance 0 to {top} is shown as 0 to 255 with gamma "
        f"{gamma}, the same in every patch; black is no data.\n"
        "- `labels/range_<range>/<patch_id>.tif`: land-cover class codes on the map's own grid, all pixels that touch the patch. "
        "The exact share is the class area over the valid area inside the patch; it can be computed again from this file.\n"
        "- `manifest.csv`, `manifest.parquet` (GeoParquet): one row a patch. `share` is exact, `share_nn` that of 10 m pixels "
        "resampled nearest; areas are ellipsoidal square metres; `clear_min` and `clear_median` count clear observations.\n"
        "- `shortage.csv`: windows wanted, found and taken per range.\n"
        "- `checksums.txt`: BLAKE3 of every file, as `b3sum --check` reads it.\n"
    )
