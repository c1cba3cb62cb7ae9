"""Reading a sample of windows back from the file that people filled in."""

from pathlib import Path

import pandas as pd

from mining_platform.evaluations.review_windows import MAPPED, SHARE, WINDOW_AREA
from mining_platform.patch_table_files import read_raw, text_of

YES, NO = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")
NUMBERS = ("stratum_windows", "inclusion_probability", SHARE, WINDOW_AREA, "lon", "lat")


def read_sample(path: Path) -> pd.DataFrame:
    """The columns of a sample in their types; what is empty or no number stays so, for the estimator to refuse.

    Numbers may have a decimal comma, as spreadsheets of some countries write them. ValueError where MAPPED holds other words than
    YES and NO.
    """
    raw = read_raw(path).values
    table = pd.DataFrame({str(name): text_of(raw[name]) for name in raw})
    for name in NUMBERS:
        if name in table:
            table[name] = pd.to_numeric(table[name].str.replace(r"^(-?\d+),(\d+)$", r"\1.\2", regex=True), errors="coerce")
    if MAPPED in table:
        words = table[MAPPED].str.lower()
        if strange := sorted(set(words) - {*YES, *NO}):
            raise ValueError(f"{MAPPED} holds {strange[:3]}. Leave it as `area sample` wrote it.")
        table[MAPPED] = words.isin(YES)
    return table


def window_area_m2(sample: pd.DataFrame) -> float:
    """Ground of a window, as its sample tells it; ValueError where it does not."""
    areas = set(sample[WINDOW_AREA].tolist()) if WINDOW_AREA in sample else set()
    if len(areas) != 1 or not (area := areas.pop()) > 0:
        raise ValueError("It does not tell the ground of its windows. Name their side by --window-m, in metres.")
    return float(area)
