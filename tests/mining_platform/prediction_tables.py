"""Tables of predictions with known answers."""

import numpy as np
import pandas as pd

from mining_platform.ranges import RANGES


def predictions(rows: list[tuple[str, float]]) -> pd.DataFrame:
    """A table of predictions from (range, score)."""
    ranges, scores = [row[0] for row in rows], [row[1] for row in rows]
    ids = [f"w{row}_2024" for row in range(len(rows))]
    is_mining = [name != "000" for name in ranges]
    return pd.DataFrame({"patch_id": ids, "is_mining": is_mining, "score": scores, "range": ranges, "region": "sim-serra"})


def noisy(seed: int, n: int = 120) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    names = random.choice(RANGES, n, p=[0.5, *[0.05] * 10])
    scores = (random.normal(0.35, 0.2, n) + 0.3 * (names != "000")).clip(0, 1).round(2)  # rounded, so that scores tie
    return predictions(list(zip(names.tolist(), scores.tolist(), strict=True)))


# Two of three mines found, one false alarm among three patches without mining.
SIX = predictions([("000_010", 0.2), ("000_010", 0.9), ("090_100", 0.8), ("000", 0.7), ("000", 0.1), ("000", 0.3)])
