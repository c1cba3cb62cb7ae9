"""A trained model over anyone's patches: a table with a score each, which `evaluate` takes as it is; of segmentation also maps.

`predictions.csv` and `predictions.parquet` have a row a patch: patch_id, what is known of it (chosen_patches.TOLD), is_mining
where that is known, score, called_mining, simulated. Of segmentation the score is the greatest probability of mining of a pixel,
so that a patch reaches the threshold where a pixel of it does; `px_<class>_as_<class>` count the labelled pixels by label and
prediction, `classes/<patch>.tif` is the class of each pixel, and `patches.png` shows the worst and best where there are labels.
"""

import json
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from mining_platform.chosen_patches import pixel_classes, told_classes
from mining_platform.evaluations.pixel_columns import pixel_columns
from mining_platform.evaluations.pixel_scores import pixel_confusion
from mining_platform.labels.mapbiomas import SIMULATED_MARK
from mining_platform.models.classifier import Classifier, module_of, predict
from mining_platform.patch_datasets import PatchDataset
from mining_platform.patches import read_attributes
from mining_platform.segmentation_pictures import PATCHES_FILE, patch_pictures
from mining_platform.spreadsheets import write_csv
from mining_platform.stages.segmentations import classes_of
from mining_platform.store import durable
from mining_platform.training_patches import SplitPatches
from mining_platform.training_validation import MINING

CSV_NAME, PARQUET_NAME, FACTS_NAME, CLASSES_FOLDER = "predictions.csv", "predictions.parquet", "predictions.json", "classes"
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,119}")
"""Ids that a file may be called by; others are called by their row."""

Progress = Callable[[int], None]
"""Told the number of patches scored so far."""


@dataclass(frozen=True)
class _Scores:
    """Of a batch of patches."""

    score: NDArray[np.floating]
    """(n,)"""
    is_mining: pd.Series
    """(n,) by the label's pixels, see `pixel_classes`."""
    classes: NDArray[np.uint8] | None
    """(n, y, x) of segmentation."""
    counts: NDArray[np.int64] | None
    """(n, class, class) of segmentation, see `pixel_confusion`."""


def predict_patches(
    classifier: Classifier,
    dataset: PatchDataset,
    rows: pd.DataFrame,
    out: Path,
    *,
    threshold: float | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score the patches of `rows` (chosen_patches.patch_rows) and write tables, maps and facts into `out`; the facts.

    The class is that of the rows, or of the label's pixels where they do not tell. Facts: patches, mining, unlabelled,
    called_mining, threshold, channels, task, simulated. ValueError naming what of channels, units, size or ground size the model
    cannot use, before anything is written; KeyError for patches that no store holds.
    """
    cut = classifier.threshold if threshold is None else threshold
    if not 0 <= cut <= 1:
        raise ValueError(f"The threshold {cut} is no probability. Name one from 0 to 1.")
    patches = _checked(classifier, dataset, rows)
    told = told_classes(rows, dataset.stores[0])
    first = next(scores := _scored(classifier, patches, cut))  # what the model cannot use is refused before a folder is made
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out, prefix=durable.TEMPORARY_PREFIX) as folder:
        work = Path(folder)
        parts: list[_Scores] = []
        for part in chain((first,), scores):
            done = sum(len(each.score) for each in parts)
            parts.append(part if part.classes is None else _mapped(part, patches, done, work))
            if progress:
                progress(done + len(part.score))
        table = _table(classifier, patches, rows, parts, told, cut)
        facts = _facts(classifier, table, cut)
        write_csv(table, work / CSV_NAME)
        table.to_parquet(work / PARQUET_NAME, index=False)
        if (counts := _counts(parts)) is not None and counts.any():
            told_by = {"threshold": cut, "simulated": facts["simulated"]}
            pictures = patch_pictures(classifier, patches, counts, classifier.architecture, **told_by)
            (work / PATCHES_FILE).write_bytes(pictures[PATCHES_FILE])
        (work / FACTS_NAME).write_text(json.dumps(facts, sort_keys=True, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        _put(work, out)
    return facts


def _checked(classifier: Classifier, dataset: PatchDataset, rows: pd.DataFrame) -> SplitPatches:
    """The patches; ValueError where there is none, or their pixels are of another ground size than the model's."""
    if rows.empty:
        raise ValueError("There is no patch to score. Name stores, a table or a split that has some.")
    items = dataset.items_of(rows["patch_id"].tolist())
    classes = len(classifier.class_names)
    patches = SplitPatches(dataset, items, np.zeros(len(items), bool), classes if classes > 1 else None)
    if patches.pixel_m != classifier.pixel_m:
        raise ValueError(
            f"The model was trained on pixels of {classifier.pixel_m:g} m, the patches have {patches.pixel_m:g} m. Cut them anew."
        )
    return patches


def _scored(classifier: Classifier, patches: SplitPatches, threshold: float) -> Iterator[_Scores]:
    """Batch by batch, in the order of the patches."""
    module, told = module_of(classifier), patches.quantities
    names = range(len(classifier.class_names))
    for images, labels in patches.labelled():
        found = predict(classifier, images, patches.channels, stored=told, module=module)
        is_mining = pixel_classes(labels)
        if found.ndim == 1:
            yield _Scores(found, is_mining, None, None)
            continue
        classes = classes_of(found, threshold)
        yield _Scores(found[:, MINING].max((1, 2)), is_mining, classes, pixel_confusion(labels, classes, names))


def _mapped(part: _Scores, patches: SplitPatches, first: int, folder: Path) -> _Scores:
    """The batch without its classes, which are written as maps."""
    assert part.classes is not None  # of segmentation
    (folder / CLASSES_FOLDER).mkdir(exist_ok=True)
    for number, classes in enumerate(part.classes, first):
        _write_map(folder / _map_name(patches, number), classes, patches, int(patches.items[number]))
    return replace(part, classes=None)


def _map_name(patches: SplitPatches, number: int) -> str:
    patch_id = patches.dataset.patch_id(int(patches.items[number]))
    return f"{CLASSES_FOLDER}/{patch_id if FILE_NAME.fullmatch(patch_id) else f'row_{number:06d}'}.tif"


def _write_map(path: Path, classes: NDArray[np.uint8], patches: SplitPatches, item: int) -> None:
    """A GeoTIFF of the classes, on the patch's ground where its store knows it."""
    store, row = patches.dataset.place(item)
    attributes = read_attributes(store)
    place: dict[str, Any] = {}
    if attributes.get("epsg") and attributes.get("affines"):
        place = {"crs": f"EPSG:{attributes['epsg']}", "transform": Affine(*attributes["affines"][row])}
    height, width = classes.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver="GTiff", dtype="uint8", count=1, height=height, width=width, compress="DEFLATE", **place
        ) as raster:
            raster.write(classes, 1)
            if attributes.get("simulated"):
                raster.update_tags(TIFFTAG_IMAGEDESCRIPTION=f"{SIMULATED_MARK}.")


def _table(
    classifier: Classifier,
    patches: SplitPatches,
    rows: pd.DataFrame,
    parts: list[_Scores],
    told: pd.Series,
    threshold: float,
) -> pd.DataFrame:
    """What is known of each patch and what the model says, in the order of `rows`."""
    known = rows.drop(columns="is_mining", errors="ignore").reset_index(drop=True)
    by_pixels = pd.concat([part.is_mining for part in parts], ignore_index=True)
    table = known.assign(is_mining=told.reset_index(drop=True).fillna(by_pixels))
    table["score"] = np.concatenate([part.score for part in parts]).astype(float)
    table["called_mining"] = table["score"] >= threshold
    if (counts := _counts(parts)) is not None:
        table = table.assign(**pixel_columns(counts, classifier.class_names))
        table["class_map"] = [_map_name(patches, number) for number in range(len(table))]
    marks = {store: bool(read_attributes(store).get("simulated")) for store in patches.dataset.stores}
    table["simulated"] = [marks[patches.dataset.place(int(item))[0]] for item in patches.items]
    return table.drop(columns="is_mining") if table["is_mining"].isna().all() else table


def _counts(parts: list[_Scores]) -> NDArray[np.int64] | None:
    """(n, class, class) of all patches; None where the model scores whole patches."""
    found = [part.counts for part in parts if part.counts is not None]
    return np.concatenate(found) if found else None


def _facts(classifier: Classifier, table: pd.DataFrame, threshold: float) -> dict[str, Any]:
    labelled = table["is_mining"] if "is_mining" in table else pd.Series(pd.NA, index=table.index, dtype="boolean")
    return {
        "patches": len(table),
        "mining": int(labelled.fillna(False).sum()),
        "unlabelled": int(labelled.isna().sum()),
        "called_mining": int(table["called_mining"].sum()),
        "threshold": threshold,
        "channels": list(classifier.channels),
        "task": "segmentation" if len(classifier.class_names) > 1 else "classification",
        "class_names": list(classifier.class_names),
        "simulated": bool(table["simulated"].any()),
    }


def _put(work: Path, out: Path) -> None:
    """Move what was written into `out`, the table last; maps of an earlier run go."""
    for name in (CLASSES_FOLDER, PATCHES_FILE):
        durable.remove(out / name)
    for name in (CLASSES_FOLDER, PATCHES_FILE, FACTS_NAME, PARQUET_NAME, CSV_NAME):
        if (work / name).exists():
            durable.sync(work / name)
            (work / name).replace(out / name)
