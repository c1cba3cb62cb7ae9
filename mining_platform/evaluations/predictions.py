"""What a table of predictions is, and what makes one unfit for evaluation."""

import numpy as np
import pandas as pd

from mining_platform.ranges import RANGES

COLUMNS = ("patch_id", "is_mining", "score")
NOT_KNOWN = ""
"""Range of a patch whose mining share nobody knows."""
NO_MINING = RANGES[0]


def check_predictions(predictions: pd.DataFrame) -> None:
    """ValueError naming the column or the patch that makes a table of predictions unfit for evaluation.

    COLUMNS are needed; `range` (a mining range, or NOT_KNOWN), `region`, `group` and `cluster` are looked at where they are.
    """
    if missing := [column for column in COLUMNS if column not in predictions]:
        raise ValueError(
            f"Predictions lack the columns {', '.join(missing)}; they have {', '.join(map(str, predictions.columns))}."
        )
    if predictions.empty:
        raise ValueError(
            "There are no predictions to evaluate: the test split is empty. Enlarge the dataset or change its split."
        )
    ids, is_mining = predictions["patch_id"], predictions["is_mining"].to_numpy(bool)
    problems = {
        "occur twice": ids.duplicated().to_numpy(),
        "have no finite score": ~np.isfinite(predictions["score"].to_numpy(float)),
    }
    if "range" in predictions:
        known = (predictions["range"] != NOT_KNOWN).to_numpy()
        problems[f"have a range other than {', '.join(RANGES)}"] = known & ~predictions["range"].isin(RANGES).to_numpy()
        contradicted = is_mining != (predictions["range"] != NO_MINING).to_numpy()
        problems["have a class that contradicts their range"] = known & contradicted
    for problem, rows in problems.items():
        if rows.any():
            raise ValueError(f"{int(rows.sum())} patches {problem}, first {min(ids[rows])}. Join predictions by patch id.")


def by_id(predictions: pd.DataFrame) -> pd.DataFrame:
    """The rows sorted by patch id, so that their order changes nothing, not even the last bit of a sum."""
    return predictions.sort_values("patch_id", kind="stable").reset_index(drop=True)
