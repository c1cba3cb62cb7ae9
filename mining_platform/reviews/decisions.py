"""A person's decision on one window of a dataset in one year, and what makes it a sound one."""

from collections.abc import Iterator
from dataclasses import dataclass

from mining_platform.dataset_rows import POINTS_MINING, Dataset
from mining_platform.footprints import bounds_of
from mining_platform.ranges import RANGES
from mining_platform.spreadsheets import is_formula

ACCEPT, REJECT, RELABEL = "accept", "reject", "relabel"
DECISIONS = (ACCEPT, REJECT, RELABEL)
POINTS_OTHER = "other"
"""What a window of a dataset of points is relabelled to where it is not mining; where it is: POINTS_MINING."""

LONGEST_REVIEWER, LONGEST_REASON = 100, 1000  # characters


class ReviewError(ValueError):
    """A decision that cannot be taken down, or a log of decisions that cannot be trusted."""


@dataclass(frozen=True)
class Decision:
    """What a person decided; a later one on the same window and year stands over it."""

    dataset: str
    region: str
    year: int
    window_id: str
    decision: str
    """`accept`: the map's label is right, also where an earlier decision relabelled it. `reject`: the window is not to be used.
    `relabel`: it is of another range; nobody drew its pixels."""
    range: str
    """Of a relabel, one of `relabel_choices`; else empty."""
    reviewer: str
    reason: str
    """Why; may be empty only for `accept`."""
    seen: str
    """Digest of the version of `<dataset>/patches` that the person looked at; empty where nobody knows."""


def relabel_choices(dataset: Dataset) -> tuple[str, ...]:
    """What a window can be relabelled to: a range, or of a dataset of points `mining`, and `other` where it has negatives."""
    if dataset.points is None:
        return RANGES
    return (POINTS_MINING, POINTS_OTHER) if len(dataset.quotas) > 1 else (POINTS_MINING,)


def problems(decision: Decision, dataset: Dataset) -> Iterator[str]:
    """What is wrong with a decision on a window of the dataset, each in words with the remedy."""
    if decision.dataset != dataset.id or decision.region not in dataset.regions or decision.year not in dataset.years:
        yield f"{decision.dataset} has no region {decision.region!r} in {decision.year}"
    if not _is_window(decision.window_id, dataset.window_px):
        yield f"it is no window of {dataset.window_px} px; take the id from the sample"
    if decision.decision not in DECISIONS:
        yield f"{decision.decision!r} is no decision; choose {', '.join(DECISIONS)}"
    choices = relabel_choices(dataset)
    if decision.decision == RELABEL and decision.range not in choices:
        yield f"{decision.range!r} is nothing to relabel to; choose one of {', '.join(choices)}"
    if decision.decision != RELABEL and decision.range:
        yield f"only a relabel has a range, not {decision.decision!r}"
    yield from text_problems("reviewer", decision.reviewer, LONGEST_REVIEWER, required=True)
    yield from text_problems("reason", decision.reason, LONGEST_REASON, required=decision.decision != ACCEPT)


def text_problems(name: str, text: str, longest: int, *, required: bool) -> Iterator[str]:
    """What is wrong with a person's words in a decision, each with the remedy."""
    if required and not text.strip():
        yield f"it lacks a {name}; write one"
    if len(text) > longest:
        yield f"its {name} has {len(text)} characters; write at most {longest}"
    if text != text.strip() or not text.isprintable():
        yield f"its {name} has line breaks, other control characters, or blanks around it; write one plain line"
    if is_formula(text):
        yield f"its {name} begins like a formula, which a spreadsheet would run; begin with a letter"


def _is_window(window_id: str, px: int) -> bool:
    try:
        return bool(bounds_of([window_id])["px"].iloc[0] == px)
    except ValueError:
        return False
