"""What the command `evaluate` prints."""

from typing import Any

from rich.markup import escape

from mining_platform.consoles import console, print_rows
from mining_platform.evaluations.patch_scores import range_table


def print_evaluation(facts: dict[str, Any], compared: dict[str, Any] | None, written: list[str], *, as_json: bool) -> None:
    """Counts, scores with intervals, groups, the comparison and every note; or JSON of all of them."""
    if as_json:
        console.print_json(data={**facts, "comparison": compared, "written": written})
        return
    at = "" if facts["threshold"] is None else f" Threshold {facts['threshold']:.4g}: {_counted(facts)}."
    console.print(f"{facts['patches']} patches, {facts['positives']} with mining, {facts['negatives']} without.{at}")
    print_rows(_score_rows(facts), as_json=False)
    if "recall_by_range" in facts:
        print_rows(_range_rows(facts), as_json=False)
    if "by_group" in facts:
        print_rows([_group_row(name, row) for name, row in facts["by_group"].items()], as_json=False)
    if "pixels" in facts:
        print_rows([_class_row(name, row) for name, row in facts["pixels"]["classes"].items()], as_json=False)
    if compared is not None:
        told = (
            f"{compared['first']} less {compared['second']}, {compared['patches']} patches, {compared['positives']} with mining:"
        )
        console.print(escape(told))
        print_rows([_difference_row(name, row) for name, row in compared["scores"].items()], as_json=False)
    cautions = [facts["bootstrap"].get("caution"), facts["bootstrap"].get("reason"), facts["calibration"].get("reason")]
    for note in (*facts["notes"], *(f"{text[0].upper()}{text[1:]}." for text in cautions if text)):
        console.print(f"[yellow]note[/yellow] {escape(note)}")
    for path in written:
        console.print(f"Written: {escape(path)}")


def _counted(facts: dict[str, Any]) -> str:
    return f"{facts['tp']} found, {facts['fn']} missed, {facts['fp']} false alarms, {facts['tn']} rightly silent"


def _score_rows(facts: dict[str, Any]) -> list[dict[str, Any]]:
    drawn = facts["bootstrap"]
    rows = []
    for name in ("precision", "recall", "f1", "specificity", "pr_auc", "roc_auc"):
        if name not in drawn["by_patch"]:
            continue
        spans = {
            "mean": _figure(drawn["by_patch"][name]["mean"]),
            "by patch": _span(drawn["by_patch"][name]),
            "by cluster": _span((drawn["by_cluster"] or {}).get(name)),
            "Wilson": _span(facts.get(f"{name}_interval")),
        }
        rows.append({"score": name, "value": _figure(facts[name]), **spans})
    for name in ("expected_calibration_error", "brier_score"):
        untold = dict.fromkeys(("mean", "by patch", "by cluster", "Wilson"), "")
        rows.append({"score": name, "value": _figure(facts["calibration"][name]), **untold})
    return rows


def _range_rows(facts: dict[str, Any]) -> list[dict[str, Any]]:
    table = range_table(facts).astype(object)
    return [
        {
            "range": row["range"],
            "patches": row["patches"],
            "called mining": _whole(row["called_mining"]),
            "share": _figure(row["share_called_mining"]),
            "interval": _span({"low": row["low"], "high": row["high"]}),
            "by cluster": _span({"low": row["cluster_low"], "high": row["cluster_high"]}),
            "separation": _figure(row["separation"]),
        }
        for row in table.where(table.notna(), None).to_dict("records")
    ]


def _group_row(name: str, row: dict[str, Any]) -> dict[str, Any]:
    scores = {each: _figure(row.get(each)) for each in ("precision", "recall", "f1", "pr_auc", "roc_auc")}
    return {"group": name, "patches": row["patches"], "with mining": row["positives"], **scores}


def _class_row(name: str, row: dict[str, Any]) -> dict[str, Any]:
    scores = {each: _figure(row[each]) for each in ("iou", "precision", "recall", "f1")}
    return {"pixels of": name, "labelled": row["pixels"], "predicted": row["predicted_pixels"], **scores}


def _difference_row(name: str, row: dict[str, Any]) -> dict[str, Any]:
    values = {each: _figure(row[each]) for each in ("first", "second", "difference")}
    return {"score": name, **values, "by patch": _span(row["by_patch"]), "by cluster": _span(row.get("by_cluster"))}


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{int(value)}"


def _span(interval: dict[str, Any] | None) -> str:
    if interval is None or interval["low"] is None:
        return "-"
    return f"{interval['low']:.3f} to {interval['high']:.3f}"
