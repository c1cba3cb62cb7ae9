"""Scores of segmentation: pixels counted by true and by predicted class, and intersection over union of each class.

Patches give counts, counts add up, scores follow from the sum: patches with few labelled pixels weigh little.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mining_platform.evaluations.bootstraps import at_once, drawn_units, unit_codes, unit_sums
from mining_platform.evaluations.counts import ratio
from mining_platform.evaluations.intervals import percentile_interval

NO_CLASS = 255
"""Value of label pixels that belong to no class; they are not counted."""


def pixel_confusion(label: NDArray[np.uint8], predicted: NDArray[np.uint8], classes: Sequence[int]) -> NDArray[np.int64]:
    """(n, y, x) labels and (n, y, x) predictions -> (n, class, class) pixels by true class (rows) and predicted class.

    Pixels whose label is NO_CLASS are left out. Raises ValueError for other shapes and for values outside the classes: a model
    has to decide wherever there is a label.
    """
    if label.shape != predicted.shape or label.ndim != 3:  # noqa: PLR2004 - n, y, x
        raise ValueError(
            f"Labels {label.shape} and predictions {predicted.shape} are not of one shape (n, y, x). Pair them by id."
        )
    counted = label != NO_CLASS
    position = np.full(256, -1)
    position[list(classes)] = np.arange(len(classes))
    true, called = position[label], position[predicted]
    for name, values, found in (("label", label, true), ("prediction", predicted, called)):
        if (strange := counted & (found < 0)).any():
            known = ", ".join(map(str, classes))
            raise ValueError(f"The {name} holds {np.unique(values[strange])[:3].tolist()} where classes are {known}.")
    size = len(classes)
    cell = np.arange(len(label))[:, None, None] * size**2 + true * size + called
    return np.bincount(cell[counted], minlength=len(label) * size**2).reshape(len(label), size, size)


def segmentation_scores(
    confusions: NDArray[np.int64],
    names: Mapping[int, str],
    *,
    patch_ids: Sequence[str],
    clusters: Sequence[str] | None = None,
    seed: int,
    resamples: int = 1000,
) -> dict[str, Any]:
    """Facts on (n, class, class) counts of patches: IoU, precision, recall and F1 of each class, mean IoU, accuracy.

    `names` are the classes in the order of the counts. A class that neither labels nor predictions hold is None and not in the
    mean; IoU as Jaccard 1912, New Phytol. 11, 37-50. Intervals of IoU are bootstraps by patch and, with `clusters` (one name
    a patch), by cluster. ValueError when parts do not fit.
    """
    size = len(names)
    if confusions.shape != (len(patch_ids), size, size) or (clusters is not None and len(clusters) != len(patch_ids)):
        raise ValueError(f"Counts {confusions.shape}, {len(patch_ids)} ids and {size} classes do not fit. Join them by patch id.")
    whole = confusions.sum(axis=0)
    units = {"by_patch": patch_ids} | ({} if clusters is None else {"by_cluster": clusters})
    drawn = {name: _intervals(confusions, np.array(unit), list(names.values()), seed, resamples) for name, unit in units.items()}
    iou = _iou(whole[None])[0]
    return {
        "patches": len(patch_ids),
        "pixels": int(whole.sum()),
        "classes": {name: _class_row(whole, place) for place, name in enumerate(names.values())},
        "mean_iou": None if np.isnan(iou).all() else float(np.nanmean(iou)),
        "accuracy": ratio(int(np.trace(whole)), int(whole.sum())),
        "confusion": whole.tolist(),
        "bootstrap": {"resamples": resamples, "seed": seed, **drawn},
    }


def _class_row(whole: NDArray[np.int64], place: int) -> dict[str, Any]:
    hits, true, called = (int(part) for part in (whole[place, place], whole[place].sum(), whole[:, place].sum()))
    return {
        "pixels": true,
        "predicted_pixels": called,
        "iou": ratio(hits, true + called - hits),
        "precision": ratio(hits, called),
        "recall": ratio(hits, true),
        "f1": ratio(2 * hits, true + called),
    }


def _iou(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(m, class, class) counts -> (m, class) IoU, NaN where a class does not occur."""
    hits = np.diagonal(counts, axis1=1, axis2=2)
    union = counts.sum(axis=1) + counts.sum(axis=2) - hits
    return np.divide(hits, union, out=np.full(hits.shape, np.nan), where=union > 0)


def _intervals(confusions: NDArray[np.int64], units: NDArray, names: list[str], seed: int, resamples: int) -> dict[str, Any]:
    """Interval of each class's IoU and of their mean over drawn units."""
    codes, number = unit_codes(units)
    sums, size = unit_sums(confusions.reshape(len(confusions), -1), codes, number), len(names)
    draws = drawn_units(number, resamples=resamples, seed=seed, at_once=at_once(number))
    iou = np.concatenate([_iou((drawn @ sums).reshape(-1, size, size)) for drawn in draws])
    some = (~np.isnan(iou)).sum(axis=1)
    mean = np.divide(np.nansum(iou, axis=1), some, out=np.full(len(iou), np.nan), where=some > 0)
    classes = {name: percentile_interval(iou[:, place]) for place, name in enumerate(names)}
    return {"units": number, "iou": classes, "mean_iou": percentile_interval(mean)}
