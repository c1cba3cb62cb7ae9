"""All experiments of a year beside each other: scores, the documents' table, ablations and paired comparisons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from mining_platform.datasets import DATASETS
from mining_platform.evaluations.comparisons import compare
from mining_platform.experiment_trials import trial_in
from mining_platform.experiments import Experiment
from mining_platform.profiles import profile
from mining_platform.published_results import ABLATED, DISSING_KALO, PUBLISHED_ABLATION, ablation_of, published_of
from mining_platform.training_losses import LOSSES

SEED = 7  # of the draws that pairs are compared on
NOT_MADE, EVALUATED = "not made", "evaluated"
SCORES = ("threshold", "precision", "recall", "f1", "pr_auc", "tp", "fp", "fn", "tn")
_ENDS = ("low", "high")


@dataclass(frozen=True)
class Evaluated:
    """What is published of one experiment."""

    facts: Mapping[str, Any]
    """Of the evaluation, with `simulated`, and `trial` of a small trial."""
    predictions: pd.DataFrame
    """patch_id, is_mining, cluster and, of patches, score."""
    digest: str
    """Of the evaluation."""


@dataclass(frozen=True)
class Summary:
    """Tables of one year, each a list of equal rows in the order of the experiments."""

    year: int
    experiments: list[dict[str, Any]]
    """All experiments of the year; `state` says which are not made."""
    segmentations: list[dict[str, Any]]
    """A row a class of those that tell classes of pixels."""
    documents: list[dict[str, Any]]
    """The published experiments, ours beside them."""
    ablations: list[dict[str, Any]]
    """Those that leave a layer out, less the one that has it."""
    comparisons: list[dict[str, Any]]
    """Every two experiments on the same test patches, the later less the earlier one."""

    @property
    def made(self) -> list[dict[str, Any]]:
        """Rows of `experiments` that are evaluated."""
        return [row for row in self.experiments if row["state"] == EVALUATED]


def summarised(
    year: int, rows: Sequence[Experiment], evaluated: Mapping[str, Evaluated], *, resamples: int = 1000, seed: int = SEED
) -> Summary:
    """The summary of the experiments `rows` of a year, of which `evaluated` (by experiment id) are published."""
    experiments = [experiment_row(row, evaluated.get(row.id)) for row in rows]
    by_id = {each["experiment"]: each for each in experiments}
    patches = {row.id: evaluated[row.id] for row in rows if row.id in evaluated and "score" in evaluated[row.id].predictions}
    comparisons = [
        comparison_row(later, earlier, patches, resamples=resamples, seed=seed) for earlier, later in same_patches(patches)
    ]
    return Summary(
        year=year,
        experiments=experiments,
        segmentations=[each for row in rows if row.id in evaluated for each in class_rows(row.id, evaluated[row.id].facts)],
        documents=document_rows(year, experiments),
        ablations=ablation_rows(by_id, comparisons),
        comparisons=comparisons,
    )


def experiment_row(row: Experiment, found: Evaluated | None) -> dict[str, Any]:
    """One experiment: what it is, and its scores with counts; None where it is not made or has no such score."""
    dataset = DATASETS[row.dataset]
    own = {
        "experiment": row.id,
        "state": EVALUATED if found else NOT_MADE,
        "task": LOSSES[row.loss].task,
        "model": row.model,
        "dataset": row.dataset,
        "regions": " ".join(dataset.regions),
        "px": dataset.px,
        "profile": row.profile,
        "channels": len(profile(row.profile).channels),
        "weighting": row.weighting,
    }
    return {**own, **_scores(found)}


def _scores(found: Evaluated | None) -> dict[str, Any]:
    """Scores of an evaluation, under the same names for each kind of it."""
    facts: Mapping[str, Any] = found.facts if found else {}
    interval, trial = facts.get("f1_bootstrap") or {}, trial_in(facts)
    mining_px = found.predictions["mining_px"] > 0 if found and "mining_px" in found.predictions else None
    positives = facts.get("positives") if mining_px is None else int(mining_px.sum())
    patches = facts.get("patches")
    baseline, baseline_f1 = _best_baseline(facts)
    return {
        "data": None if found is None else "SIMULATED" if facts["simulated"] else "real",
        "trial": trial.words if trial else "",
        "patches": patches,
        "positives": positives,
        "prevalence": positives / patches if patches and positives is not None else None,
        **{name: facts.get(name) for name in SCORES},
        "f1_mean": interval.get("mean"),
        **{f"f1_{end}": interval.get(end) for end in _ENDS},
        "interval_by": interval.get("by"),
        "interval_units": interval.get("units"),
        "mean_iou": facts.get("mean_iou"),
        "baseline": baseline,
        "baseline_f1": baseline_f1,
        "evaluation": found.digest if found else None,
    }


def _best_baseline(facts: Mapping[str, Any]) -> tuple[str | None, float | None]:
    """The baseline of greatest F1 on the same test patches."""
    scored = {name: each["f1"] for name, each in facts.get("baselines", {}).items() if each["f1"] is not None}
    best = max(scored, key=lambda name: (scored[name], name), default=None)
    return best, scored.get(best) if best else None


def class_rows(experiment_id: str, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """IoU of each class of a segmentation, its interval over clusters (else patches), and the pixels behind it; none of patches.

    A prompted model has its scores twice: with the prompts that it gets in use, and with those of the labels.
    """
    told = _class_rows(experiment_id, facts)
    return told + _class_rows(experiment_id, facts["pointed_at"]) if "pointed_at" in facts else told


def _class_rows(experiment_id: str, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    bootstrap = facts.get("bootstrap", {})
    by = "cluster" if bootstrap.get("by_cluster") else "patch"
    drawn = bootstrap.get(f"by_{by}") or {}
    return [
        {
            "experiment": experiment_id,
            "class": name,
            "prompts": facts.get("prompts", ""),
            "pixels": row["pixels"],
            "predicted_pixels": row["predicted_pixels"],
            "iou": row["iou"],
            **{f"iou_{end}": (drawn.get("iou", {}).get(name) or {}).get(end) for end in _ENDS},
            **{score: row[score] for score in ("precision", "recall", "f1")},
            "patches": facts["patches"],
            "interval_by": by,
            "interval_units": drawn.get("units"),
        }
        for name, row in facts.get("classes", {}).items()
    ]


def document_rows(year: int, experiments: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each published experiment with those of ours that repeat it, `ours_` before their names; one without any has a row too."""
    names = ("f1", "f1_mean", "f1_low", "f1_high", "pr_auc", "fp", "fn", "precision", "recall", "positives", "patches")
    rows = []
    for number, published in DISSING_KALO.items():
        repeated = [each for each in experiments if published_of(each["experiment"]) is published]
        told = {
            "number": number,
            "setting": published.setting,
            **{name: getattr(published, name) for name in ("f1", "low", "high", "f1_of_counts", "pr_auc", "fp", "fn")},
            **{name: getattr(published, name) for name in ("precision", "recall", "positives")},
        }
        for each in repeated or [dict.fromkeys(("experiment", *names)) | {"state": "no such experiment of this year"}]:
            ours = {"ours": each["experiment"], "ours_state": each["state"], **{f"ours_{name}": each[name] for name in names}}
            rows.append({**told, **ours, "differs": "; ".join(differences(year, each)) if each["state"] == EVALUATED else ""})
    return rows


def differences(year: int, ours: Mapping[str, Any]) -> list[str]:
    """In what the data of an experiment of ours differ from those of the document, in words."""
    published = published_of(ours["experiment"])
    told = [ours["trial"]] if ours["trial"] else []
    told += [f"SIMULATED ground ({ours['regions']})" if ours["data"] == "SIMULATED" else f"other points ({ours['regions']})"]
    told += [f"year {year}"]
    if published and ours["positives"] != published.positives:
        told.append(f"{ours['positives']} test patches with mining, not {published.positives}")
    return told


def same_patches(evaluated: Mapping[str, Evaluated]) -> list[tuple[str, str]]:
    """Every two experiments, the earlier first, that were scored on the same test patches with the same classes."""
    seen = {
        name: frozenset(zip(each.predictions["patch_id"], each.predictions["is_mining"].astype(bool), strict=True))
        for name, each in evaluated.items()
    }
    return [(earlier, later) for earlier, later in combinations(seen, 2) if seen[earlier] == seen[later]]


def comparison_row(first: str, second: str, evaluated: Mapping[str, Evaluated], *, resamples: int, seed: int) -> dict[str, Any]:
    """`first` less `second` on their common test patches, in F1 and PR-AUC, with 95 % intervals by patch and by cluster."""
    one, other = evaluated[first], evaluated[second]
    thresholds = (one.facts["threshold"], other.facts["threshold"])
    told = compare(one.predictions, other.predictions, thresholds, seed=seed, resamples=resamples)
    row: dict[str, Any] = {"first": first, "second": second} | {name: told[name] for name in ("patches", "positives", "clusters")}
    for score in ("f1", "pr_auc"):
        scores = told["scores"][score]
        row |= {f"{score}_{name}": scores[name] for name in ("first", "second", "difference")}
        row |= {
            f"{score}_{unit}_{end}": (scores.get(f"by_{unit}") or {}).get(end) for unit in ("patch", "cluster") for end in _ENDS
        }
    return row | {name: told[name] for name in ("only_first_right", "only_second_right")}


def ablation_rows(by_id: Mapping[str, Mapping[str, Any]], comparisons: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each experiment that leaves a layer out, less the one that has it; without numbers where the two have no common patches."""
    pairs = {(row["first"], row["second"]): row for row in comparisons}
    names = [name for name in (comparisons[0] if comparisons else ()) if name not in ("first", "second")]
    rows = []
    for experiment_id in by_id:
        base, key = ablation_of(experiment_id) or ("", "")
        if base not in by_id:
            continue
        row = pairs.get((experiment_id, base))
        made = by_id[experiment_id]["state"] == by_id[base]["state"] == EVALUATED
        state = EVALUATED if row else "other test patches" if made else NOT_MADE
        repeated = published_of(base)
        published_f1 = PUBLISHED_ABLATION[key] if repeated and repeated.number == ABLATED else None
        told = {"experiment": experiment_id, "base": base, "without": key, "state": state, "published_f1": published_f1}
        rows.append(told | {name: row[name] if row else None for name in names})
    return rows
