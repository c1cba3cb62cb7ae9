"""What the manifest of a dataset tells of OpenStreetMap besides: in how many patches there is something of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from mining_platform import patches
from mining_platform.artifacts import Artifact
from mining_platform.context_coverage import coverage_figure, coverage_table, flag_channels
from mining_platform.stages.files import CONTEXT_FILE, CONTEXT_PICTURE


def tell_context(
    manifest: pd.DataFrame, stores: Mapping[str, Artifact], channels: Sequence[str], title: str, out: Path
) -> dict[str, Any]:
    """`context_coverage.csv` and `context_coverage.png`, where some of the channels are flags of OpenStreetMap; else nothing.

    `stores` are the patches by `region|year`. Facts: the table's rows as `context_coverage`, a share of nothing known as None.
    """
    flags = flag_channels(channels)
    if not flags:
        return {}

    def images_of(region_id: str, year: int, rows: Sequence[int]) -> NDArray[Any]:
        return patches.read_images(stores[f"{region_id}|{year}"].path, rows, flags)

    table = coverage_table(manifest, images_of, flags)
    table.to_csv(out / CONTEXT_FILE, index=False)
    (out / CONTEXT_PICTURE).write_bytes(coverage_figure(table, title, bool(manifest["simulated"].any())))
    rows = table.astype({"share": object}).where(table.notna(), None)
    return {"context_coverage": rows.to_dict("records")}
