"""What `predict` is given: a mosaic, a GeoTIFF of a whole stack, patch stores, or a folder of patches in a published layout."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import pandas as pd

from mining_platform.chosen_patches import TOLD, in_use, patch_rows, rows_of_split
from mining_platform.imports.findings import CONSTANT, DUPLICATES, NONPOSITIVE
from mining_platform.imports.found import Request
from mining_platform.imports.image_files import TIFF_SUFFIXES
from mining_platform.imports.publishing import write_unpublished
from mining_platform.imports.unpacking import opened_folder
from mining_platform.patches import STORE_NAME, read_attributes

KEPT = frozenset({CONSTANT, NONPOSITIVE, DUPLICATES})
"""What an import refuses unless it is asked to keep it, and a prediction need not: no one learns from it."""
NO_REGION = "folder"
ZARR_FILE = "zarr.json"

Kind = Literal["mosaic", "geotiff", "patches"]


@dataclass(frozen=True)
class PatchReading:
    """How folders of patches are read, and which of their patches count."""

    layout: str = ""
    """Row of imports.layouts.LAYOUTS, for folders that are no patch stores."""
    channels: tuple[str, ...] = ()
    scale: float | None = None
    offset: float = 0.0
    pixel_m: float | None = None
    year: int | None = None
    table: Path | None = None
    """Table with patch_id and what else is known of the patches; those that it does not name do not count."""
    splits: Path | None = None
    """Table with patch_id and split, where `table` has another split or none."""
    split: str = ""
    """The split of the patches that count; empty for all."""


def kind_of(inputs: Sequence[Path], reading: PatchReading) -> Kind:
    """What the inputs are, by their names and what lies in them; ValueError where they are of several kinds."""
    if any(path.suffix.lower() in TIFF_SUFFIXES for path in inputs):
        kind: Kind = "geotiff"
    elif reading.layout or all((path / STORE_NAME).is_dir() for path in inputs):
        return "patches"
    else:
        kind = "mosaic"
    if len(inputs) > 1:
        raise ValueError(
            f"{len(inputs)} inputs that are not all patch stores. Give one mosaic or GeoTIFF at a time, folders that hold a "
            f"{STORE_NAME}, or --layout."
        )
    if kind == "mosaic" and inputs[0].is_dir() and not (inputs[0] / ZARR_FILE).is_file():
        raise ValueError(f"{inputs[0]} is no Zarr v3 group and holds no {STORE_NAME}. Name the --layout of its patches.")
    return kind


@contextmanager
def opened_patches(inputs: Sequence[Path], reading: PatchReading) -> Iterator[tuple[list[Path], pd.DataFrame]]:
    """Patch stores and the rows (chosen_patches) of the patches that count, for the body.

    Folders of other layouts are read and checked as an import reads them, into stores that are gone afterwards. TableError and
    PatchImportError say what cannot be used.
    """
    with TemporaryDirectory(prefix="mining-platform-") as folder:
        stores, tables = [], []
        for number, path in enumerate(inputs):
            if reading.layout:
                made, rows = _written(path, reading, Path(folder, str(number)))
            else:
                made, rows = [path], pd.DataFrame({"patch_id": read_attributes(path)["patch_ids"]})
            stores += made
            tables.append(rows)
        table = in_use(pd.concat(tables, ignore_index=True), inputs[0])
        yield stores, _counting(table, reading, inputs[0])


def _written(path: Path, reading: PatchReading, out: Path) -> tuple[list[Path], pd.DataFrame]:
    with opened_folder(path) as opened:
        request = Request(
            folder=opened,
            source=path.resolve().name,
            layout=reading.layout,
            name="prediction",
            region=NO_REGION,
            year=reading.year,
            channels=reading.channels,
            keep=KEPT,
            scale=reading.scale,
            offset=reading.offset,
            pixel_m=reading.pixel_m,
        )
        stores, checked = write_unpublished(request, out, lambda _text, _share: None)
    known = checked.manifest[[name for name in ("patch_id", *TOLD) if name in checked.manifest]]
    texts = known.astype(object).where(known.notna(), "").astype(str)
    unknown = [name for name in texts if name != "patch_id" and (texts[name].isin(["", NO_REGION])).all()]
    return stores, texts.drop(columns=unknown)


def _counting(rows: pd.DataFrame, reading: PatchReading, path: Path) -> pd.DataFrame:
    """Those of the named table and split."""
    if reading.splits is not None:
        rows, path = patch_rows(reading.splits, reading.table, required=("patch_id", "split")), reading.splits
    elif reading.table is not None:
        rows, path = patch_rows(reading.table), reading.table
    if not reading.split:
        return rows
    if "split" not in rows:
        raise ValueError(f"{path} tells no splits. Name a table with patch_id and split by --splits.")
    return rows_of_split(rows, reading.split, path, "Name one of these by --split.")
