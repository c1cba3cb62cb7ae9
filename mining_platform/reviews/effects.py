"""What decisions change: which windows may be drawn, in which stratum they count, and what is said of a patch."""

import pandas as pd

from mining_platform.dataset_rows import POINTS_MINING, Dataset
from mining_platform.ranges import RANGES
from mining_platform.reviews.decisions import REJECT, RELABEL

REJECTED = "rejected in review"


def honoured(candidates: pd.DataFrame, reviews: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """Candidates as people's decisions leave them; with the column `relabelled`.

    `candidates` has window_id, range, negative, is_mining, eligible and reason, of one region and year; `reviews` has
    tables.REVIEW_TYPES of the same. A rejected window is not eligible, with the reason. A relabelled one has the reviewer's
    range, or in a dataset of points the reviewer's class; without mining it counts for the dataset's first negative recipe. Its
    shares stay the map's. Windows that are no candidates are left alone.
    """
    decided = reviews.set_index("window_id").reindex(candidates["window_id"]).set_axis(candidates.index)
    rejected, relabelled = decided["decision"] == REJECT, decided["decision"] == RELABEL
    told = candidates.assign(relabelled=relabelled.to_numpy(bool))
    told["reason"] = told["reason"].mask(rejected, f"{REJECTED}: " + decided["reason"])
    told["eligible"] = told["eligible"].to_numpy(bool) & ~rejected.to_numpy(bool)
    if dataset.points is None:
        told["range"] = told["range"].mask(relabelled, decided["range"])
    told["is_mining"] = told["is_mining"].mask(relabelled, _says_mining(decided["range"])).astype(bool)
    given = told["negative"].where(told["negative"] != "", first_negative(dataset))
    told["negative"] = told["negative"].mask(relabelled, given.mask(told["is_mining"], ""))
    return told


def honoured_in_release(candidates: pd.DataFrame, reviews: pd.DataFrame, dataset: Dataset, release: int) -> pd.DataFrame:
    """As `honoured`, the candidates of a release's own year; a window that was rejected in another of its years is not eligible.

    `candidates` and `reviews` are of one region, of all years of the release.
    """
    told = honoured(candidates[candidates["year"] == release], reviews[reviews["year"] == release], dataset)
    rejected = reviews[(reviews["year"] != release) & (reviews["decision"] == REJECT)].sort_values("year")
    if rejected.empty:
        return told
    first = rejected.drop_duplicates("window_id").set_index("window_id").reindex(told["window_id"]).set_axis(told.index)
    elsewhere = told["eligible"] & first["decision"].notna()
    words = f"{REJECTED}, in " + first["year"].astype("Int64").astype("string") + ": " + first["reason"]
    return told.assign(reason=told["reason"].mask(elsewhere, words), eligible=told["eligible"] & ~elsewhere)


def _says_mining(ranges: pd.Series) -> pd.Series:
    """Whether what windows were relabelled to is mining."""
    return (ranges == POINTS_MINING) | ranges.isin(RANGES[1:])


def first_negative(dataset: Dataset) -> str:
    """The recipe that windows count for which people say are not mining and the map says are."""
    return next((negative for _, negative in dataset.strata if negative), "")


def reviewed_rows(rows: pd.DataFrame, reviews: pd.DataFrame) -> pd.DataFrame:
    """Patch rows with what people decided: review, reviewer, review_reason, empty where nobody did.

    `rows` has window_id, region, year, range, is_mining, relabelled, dropped, drop_reason and store_row. A rejected patch is
    dropped: its sample was drawn before the decision. ValueError where a sample and the decisions disagree about a relabel.
    """
    names = {"decision": "review", "reason": "review_reason", "range": "reviewed_range"}
    told = reviews[["window_id", "region", "year", "reviewer", *names]].rename(columns=names)
    joined = rows.merge(told, on=["window_id", "region", "year"], how="left", validate="many_to_one")
    for name in ("review", "reviewer", "review_reason", "reviewed_range"):
        joined[name] = joined[name].fillna("").astype(str)
    _check_drawn_since(joined)
    rejected = joined["review"] == REJECT
    reason = (REJECTED + ": " + joined["review_reason"]).where(rejected, joined["drop_reason"])
    joined = joined.assign(dropped=joined["dropped"] | rejected, drop_reason=reason)
    return joined.assign(store_row=joined["store_row"].mask(rejected, -1)).drop(columns=["reviewed_range", "relabelled"])


def _check_drawn_since(rows: pd.DataFrame) -> None:
    """A relabel changes the stratum and the pixel labels, so that samples and patches from before it cannot be listed."""
    relabel = rows["review"] == RELABEL
    other_range = rows["reviewed_range"].isin(RANGES) & (rows["reviewed_range"] != rows["range"])
    other_class = _says_mining(rows["reviewed_range"]) != rows["is_mining"]
    older = (relabel != rows["relabelled"]) | (relabel & (other_range | other_class))
    older &= rows["review"] != REJECT
    if older.any():
        named = rows.loc[older, "window_id"].tolist()[:5]
        raise ValueError(
            f"Windows {named} were relabelled, or were so no more, after their sample was drawn. Make sample and patches again."
        )
