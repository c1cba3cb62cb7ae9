"""The one door through which packages are written: files by the layout, then tables, pictures, descriptions, card, checksums."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from mining_platform.packages import descriptions
from mining_platform.packages.checksums import write_checksums
from mining_platform.packages.contents import MANIFEST_CSV, MANIFEST_PARQUET, Contents, Release, TableFile
from mining_platform.packages.dataset_card import dataset_card
from mining_platform.packages.layouts import layout
from mining_platform.packages.patch_pixels import PackageInput
from mining_platform.spreadsheets import write_csv

CARD = "README.md"
MANIFEST = TableFile(
    MANIFEST_CSV, "Patches", "One row a patch, in order of patch_id, with the paths of its files.", ("patch_id",)
)


def write_package(out: Path, release: Release, given: PackageInput, pictures: Mapping[str, tuple[str, bytes]]) -> dict[str, Any]:
    """Write a package into a directory, by the layout of the release, and return its facts; equal input gives equal bytes.

    Patches that were dropped are not published. `pictures` are PNGs by path, each with its caption. ValueError where no patch
    is left, where the manifest has other years than the release, and as the layout's `write`.
    """
    out.mkdir(parents=True, exist_ok=True)
    row = layout(release.layout)
    written = row.write(out, release, _published(given.manifest, release), given)
    table = written.table
    write_csv(table.drop(columns="geometry"), out / MANIFEST_CSV)
    table.to_parquet(out / MANIFEST_PARQUET)
    for path, (_, content) in pictures.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_bytes(content)
    contents = Contents(release, table, written.kinds, (MANIFEST, *written.tables))
    descriptions.write_descriptions(out, contents)
    captions = {path: caption for path, (caption, _) in pictures.items()}
    card = dataset_card(contents, given.shortage, files=row.files, pictures=captions)
    (out / CARD).write_text(card, encoding="utf-8")
    return _facts(given.manifest, table, release, write_checksums(out) + 1)


def _published(manifest: gpd.GeoDataFrame, release: Release) -> gpd.GeoDataFrame:
    published = manifest[~manifest["dropped"]].sort_values("patch_id", ignore_index=True)
    if published.empty:
        raise ValueError(f"Dataset {release.dataset}: no patch is left to publish; all {len(manifest)} were dropped. Enlarge it.")
    if sorted(set(published["year"])) != sorted(release.years):
        raise ValueError(
            f"The manifest has patches of {sorted(set(published['year']))}, the release is of {list(release.years)}."
        )
    return published


def _facts(manifest: pd.DataFrame, published: pd.DataFrame, release: Release, files: int) -> dict[str, Any]:
    return {
        "layout": release.layout,
        "version": release.version,
        "patches": len(published),
        "dropped": int(manifest["dropped"].sum()),
        "left_out": int((~manifest["dropped"]).sum()) - len(published),
        "by_range": {str(name): int(number) for name, number in published["range"].value_counts().sort_index().items()},
        "by_split": {str(name): int(number) for name, number in published["split"].value_counts().sort_index().items()},
        "files": files,
        "simulated": release.simulated,
    }
