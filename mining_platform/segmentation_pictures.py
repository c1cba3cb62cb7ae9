"""The pictures that segmentation leaves of labelled patches, as bytes of PNG files by name."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mining_platform import segmentation_figures
from mining_platform.figures import figure_png
from mining_platform.models.classifier import Classifier, module_of, predict
from mining_platform.patch_sheets import true_colour
from mining_platform.segmentation_figures import GROUPS, ShownPatch, mining_iou, shown_rows
from mining_platform.stages.segmentations import classes_of
from mining_platform.training_patches import SplitPatches

CONFUSION_FILE, CLASSES_FILE, PATCHES_FILE = "confusion.png", "classes.png", "patches.png"
SHOWN_PERCENTILES = 2, 98
"""Of a channel without colours: what is drawn black and white."""


def score_pictures(facts: Mapping[str, Any], name: str, *, simulated: bool) -> dict[str, bytes]:
    """The table of classes taken for each other, and precision and recall by class, of `segmentation_scores`."""
    return {
        CONFUSION_FILE: figure_png(
            segmentation_figures.confusion_figure(facts, title=f"Which class is taken for which: {name}", simulated=simulated)
        ),
        CLASSES_FILE: figure_png(
            segmentation_figures.class_figure(facts, title=f"Precision and recall by class: {name}", simulated=simulated)
        ),
    }


def patch_pictures(
    classifier: Classifier,
    patches: SplitPatches,
    confusions: NDArray[np.int64],
    name: str,
    *,
    threshold: float,
    simulated: bool,
) -> dict[str, bytes]:
    """Worst, middle and best patches by `shown_rows`, scored once more; `confusions` are in the order of the patches."""
    ids = [patches.dataset.patch_id(int(item)) for item in patches.items]
    groups = shown_rows(confusions, ids)
    positions = [position for group in GROUPS for position in groups[group]]
    names = [group for group in GROUPS for _ in groups[group]]
    shown = _shown(classifier, patches, positions, threshold) if positions else []
    ious = mining_iou(confusions)
    rows = [
        ShownPatch(group, ids[position], float(ious[position]), *pictures)
        for group, position, pictures in zip(names, positions, shown, strict=True)
    ]
    title = f"Patches by IoU of mining, worst to best: {name}"
    return {
        PATCHES_FILE: figure_png(
            segmentation_figures.patches_figure(rows, classifier.class_names, title=title, simulated=simulated)
        )
    }


def _shown(
    classifier: Classifier, patches: SplitPatches, positions: Sequence[int], threshold: float
) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]]:
    """Picture, label and prediction of patches at some positions."""
    rows, classes = list(positions), len(classifier.class_names)
    chosen = replace(patches, items=patches.items[rows], is_mining=patches.is_mining[rows], classes=classes)
    module, out = module_of(classifier), []
    for images, labels in chosen.labelled():
        called = classes_of(predict(classifier, images, patches.channels, stored=patches.quantities, module=module), threshold)
        out += [(_picture(image, patches.channels), *pair) for image, *pair in zip(images, labels, called, strict=True)]
    return [(picture, label, prediction) for picture, label, prediction in out]


def _picture(image: NDArray[np.uint16], channels: Sequence[str]) -> NDArray[np.uint8]:
    """True colour (y, x, 3); the first channel in gray where there is no red, green and blue."""
    try:
        return true_colour(image, channels)
    except KeyError:
        seen = image[0][image[0] > 0]
        low, high = np.percentile(seen, SHOWN_PERCENTILES) if seen.size else (0, 1)
        gray = np.clip((image[0].astype(float) - low) / max(high - low, 1), 0, 1)
        return np.repeat(np.round(255 * gray).astype(np.uint8)[..., None], 3, axis=2)
