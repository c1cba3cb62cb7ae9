"""The trees of s2cloudless, read from the model text inside the installed package.

The package stays as its authors published it (CC BY-SA 4.0): nothing of it is copied here, and it is not imported,
because that would load LightGBM and a web client.
"""

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import blake3
import numpy as np
from numpy.typing import NDArray

from mining_platform.clouds.s2cloudless_trees import Thresholds, Trees, table_of_thresholds

S2CLOUDLESS_BANDS = ("B01", "B02", "B04", "B05", "B08", "B8A", "B09", "B10", "B11", "B12")
"""Bands of Sentinel-2 L1C that the model looks at, in its order: `MODEL_BANDS` of s2cloudless 1.7.3."""

MODEL_FILE = "pixel_s2_cloud_detector_lightGBM_v0.1.txt"
REINSTALL = "Install the package anew: pip install --force-reinstall --no-deps 's2cloudless==1.7.3'"

_EXPECTED_HEADER = {
    "num_class": "1",
    "num_tree_per_iteration": "1",
    "max_feature_idx": str(len(S2CLOUDLESS_BANDS) - 1),
    "objective": "binary sigmoid:1",
}
_NO_MISSING_VALUES = {0, 2}  # decision types: numerical split, missing type none, default right or left (LightGBM, tree.h)
_ZERO = float(np.float32(1e-35))  # LightGBM reads smaller magnitudes as 0 (kZeroThreshold in its meta.h)
_MOST_THRESHOLDS = 255  # a bin is a uint8


class ModelMissing(ModuleNotFoundError):  # noqa: N818 - named by what is wrong
    """The extra package with the model is not installed; the message says how to install it."""


@dataclass(frozen=True, eq=False)
class CloudModel:
    """A pixel classifier whose raw score is the sum of its trees, and whose probability is the sigmoid of it."""

    digest: str
    """blake3 of the model text, for lineage."""
    trees: Trees
    thresholds: Thresholds
    sorting_features: NDArray[np.int64]
    """(4,) the features that most nodes ask for, first the one asked for most: pixels alike in them take like branches."""


@dataclass(frozen=True, eq=False)
class _Tree:
    """One tree as LightGBM writes it: n nodes, n + 1 leaves; a child >= 0 is a node of this tree, below 0 it is ~leaf."""

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    leaf_value: NDArray[np.float64]


@lru_cache(maxsize=2)
def load_model(path: Path | None = None) -> CloudModel:
    """The model at `path`, by default that of the installed s2cloudless; read once per process (0.3 s, 5 MB kept).

    Raises ModelMissing where the package is absent, FileNotFoundError where it has no such file, and ValueError
    where the text is damaged or not a binary LightGBM model of ten numerical features without missing values.
    """
    path = path or _installed_model()
    if not path.is_file():
        raise FileNotFoundError(f"The cloud model {path.name} is not in folder {path.parent.name!r}. {REINSTALL}.")
    content = path.read_bytes()
    try:
        return _model(blake3.blake3(content).hexdigest(), _parse(content.decode("ascii")))
    except (ValueError, KeyError) as error:
        reason = f"it lacks the field {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"The cloud model {path.name} is damaged or of an unexpected kind: {reason}. {REINSTALL}.") from error


def _installed_model() -> Path:
    """Where the installed s2cloudless keeps its model; finds the package without importing it."""
    spec = importlib.util.find_spec("s2cloudless")
    if spec is None or not spec.submodule_search_locations:
        raise ModelMissing(
            "Cloud probabilities need the model of the package s2cloudless, which is not installed. "
            "Install it with: pip install 'mining-platform[clouds]'",
            name="s2cloudless",
        )
    return Path(spec.submodule_search_locations[0]) / "models" / MODEL_FILE


def _parse(text: str) -> list[_Tree]:
    """The trees of a LightGBM model text (version 2 and later); ValueError or KeyError saying what is wrong with it."""
    body, ending, _ = text.partition("\nend of trees")
    if not ending:
        raise ValueError("the text ends before 'end of trees'")
    header, *blocks = body.split("\nTree=")
    fields = _fields(header)
    for name, expected in _EXPECTED_HEADER.items():
        if fields.get(name) != expected:
            raise ValueError(f"{name} is {fields.get(name)!r}, expected {expected!r}")
    if len(blocks) != len(fields["tree_sizes"].split()):
        raise ValueError(f"it holds {len(blocks)} trees, its header lists {len(fields['tree_sizes'].split())}")
    return [_tree(index, _fields(block)) for index, block in enumerate(blocks)]


def _fields(block: str) -> dict[str, str]:
    """The `name=value` lines of a block."""
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _tree(index: int, fields: dict[str, str]) -> _Tree:
    """One tree from its fields; ValueError or KeyError where it is not a whole tree of plain numerical splits."""
    columns = {name: np.array(fields[name].split(), np.int64) for name in ("split_feature", "left_child", "right_child")}
    feature, left, right = columns.values()
    threshold, leaf_value = (np.array(fields[name].split(), np.float64) for name in ("threshold", "leaf_value"))
    nodes = np.arange(len(feature))
    if not 0 < len(left) == len(right) == len(threshold) == len(leaf_value) - 1 == len(nodes) == int(fields["num_leaves"]) - 1:
        raise ValueError(f"tree {index} has columns of different lengths")
    children = np.concatenate([left, right])
    if not np.array_equal(np.sort(children), np.r_[-len(leaf_value) : 0, 1 : len(nodes)]):
        raise ValueError(f"tree {index} does not reach each of its nodes and leaves once")
    if ((children >= 0) & (children <= np.tile(nodes, 2))).any():
        raise ValueError(f"tree {index} has a node before its parent")
    if fields["num_cat"] != "0" or not {int(kind) for kind in fields["decision_type"].split()} <= _NO_MISSING_VALUES:
        raise ValueError(f"tree {index} has splits on categories or on missing values")
    if feature.min() < 0 or feature.max() >= len(S2CLOUDLESS_BANDS):
        raise ValueError(f"tree {index} asks for features {feature.min()} to {feature.max()}")
    if not (np.isfinite(threshold).all() and np.isfinite(leaf_value).all() and (np.abs(threshold) >= _ZERO).all()):
        raise ValueError(f"tree {index} has thresholds or leaves that are no finite numbers, or thresholds of 0")
    return _Tree(feature, threshold, left, right, leaf_value)


def _model(digest: str, parsed: list[_Tree]) -> CloudModel:
    """The parsed trees end to end, with the rank of each threshold among those of its feature."""
    feature = np.concatenate([tree.feature for tree in parsed])
    threshold = np.concatenate([tree.threshold for tree in parsed])
    values = [np.unique(threshold[feature == one]) for one in range(len(S2CLOUDLESS_BANDS))]
    if max(map(len, values)) > _MOST_THRESHOLDS:
        raise ValueError(f"a band has {max(map(len, values))} thresholds, more than {_MOST_THRESHOLDS}")
    thresholds = table_of_thresholds(values)
    question = feature * thresholds.values.shape[1]
    for one, sorted_values in enumerate(values):
        question[feature == one] += np.searchsorted(sorted_values, threshold[feature == one])
    nodes = np.cumsum([0, *(len(tree.feature) for tree in parsed)])
    leaves = np.cumsum([0, *(len(tree.leaf_value) for tree in parsed)])
    left, right = (
        np.concatenate(
            [
                np.where(child >= 0, child + nodes[index], child - leaves[index])
                for index, child in enumerate(getattr(tree, side) for tree in parsed)
            ]
        ).astype(np.int32)
        for side in ("left", "right")
    )
    trees = Trees(
        roots=nodes[:-1],
        feature=feature.astype(np.uint8),
        threshold=threshold,
        question=question.astype(np.int32),
        left=left,
        right=right,
        leaf_value=np.concatenate([tree.leaf_value for tree in parsed]),
        most_nodes=int(np.diff(nodes).max()),
    )
    asked = np.bincount(feature, minlength=len(S2CLOUDLESS_BANDS))
    return CloudModel(digest, trees, thresholds, np.argsort(-asked, kind="stable")[:4])
