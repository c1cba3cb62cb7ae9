"""What scores are told apart by: mining ranges where a map tells them, else kinds of places."""

import pandas as pd

from mining_platform.dataset_rows import POINTS_MINING
from mining_platform.evaluations.predictions import NOT_KNOWN

NO_RANGE_REASON = "no range: there is no land-cover map that tells how much of a patch is mining"


def told_apart(predictions: pd.DataFrame) -> pd.DataFrame:
    """The predictions as they are evaluated: where no patch has a range, with the kind of each as its `group` instead.

    A kind is `mining`, or the recipe of the patches without it (column `negative`).
    """
    if (predictions["range"] != NOT_KNOWN).any():
        return predictions
    kinds = predictions["negative"].where(~predictions["is_mining"].astype(bool), POINTS_MINING)
    return predictions.drop(columns="range").assign(group=kinds)
