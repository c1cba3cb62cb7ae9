"""`README.md` of a model: the facts of its card, under the headings of Mitchell et al. 2019.

Model Cards for Model Reporting, doi:10.1145/3287560.3287596.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mining_platform import figures

README_FILE = "README.md"
OUTPUTS = {
    "classification": "probability that the patch holds mining; at or above `threshold` means mining",
    "segmentation": "probability of each class by pixel; `threshold` is for the class mining",
}
INTENDED_USE = {
    "classification": (
        "To find places that may hold small-scale or industrial mining, for people to look at: in yearly composites like those "
        "it was trained on, patch by patch."
    ),
    "segmentation": (
        "To outline mining, for people to look at and correct: in images like those it was trained on, patch by patch."
    ),
}
_LIMITS = (
    "It knows the places, years and sensors of its training data; elsewhere its errors are not known.",
    "Its labels come from a map or from people's polygons, and it learns their errors too.",
    "Bare soil, river banks, quarries and roads look like mines; shares of mining below a few per cent are easily missed.",
    "Its scores are no probabilities of finding a mine on the ground: its training patches are no random sample of it.",
)
LIMITS = {
    "classification": (*_LIMITS, "It tells that a patch holds mining, not where in it or how much."),
    "segmentation": (*_LIMITS, "Areas counted from its pixels are biased; estimate areas from a reviewed probability sample."),
}
BANNER = (
    "> **SIMULATED.** This model was trained on simulated data. It shows how the platform works and knows nothing of any real\n"
    "> place; do not map with it.\n"
)
ETHICS = (
    "A detection is not evidence of a crime: mining may be licensed, and small-scale miners are often poor. Do not act against\n"
    "people on a detection that nobody has checked. Positions of unreported mines, and mines in Indigenous territories, can\n"
    "endanger those who live there when they are published.\n"
)
NOT_TOLD = "Not told by whoever made the model.\n"
_METRICS = ("name", "split", "value", "low", "high", "confidence_pct", "positives", "patches")


def model_card(card: Mapping[str, Any]) -> str:
    """Markdown of the facts in a card as `classifier.write_classifier` makes it; the SIMULATED banner leads where it applies."""
    simulated = bool(card.get("simulated"))
    experiment = card.get("experiment", {})
    name = experiment.get("id", card["architecture"])
    parts = [
        f"# {figures.mark_title(f'Mining model {name}', simulated=simulated)}\n",
        BANNER if simulated else "",
        "## Model details\n\n" + _list(_details(card)),
        f"## Intended use\n\n{card['intended_use']}\n",
        "## Factors\n\n" + _inputs(card),
        "## Metrics\n\n" + _metrics(card),
        "## Evaluation data\n\n" + _facts(card, "split"),
        "## Training data\n\n" + _facts(card, "training", "inputs", "experiment"),
        "## Ethical considerations\n\n" + ETHICS,
        "## Caveats and recommendations\n\n" + "".join(f"- {limit}\n" for limit in card["limits"]),
    ]
    return "\n".join(part for part in parts if part)


def _details(card: Mapping[str, Any]) -> dict[str, Any]:
    base = card["settings"].get("base")
    return {
        "Architecture": f"{card['architecture']}, {card['parameters']:,} parameters, {card['task']}",
        **({"Pretrained weights": f"{base['source']}, revision {base['revision']}"} if base else {}),
        **({f"BLAKE3 of {name}": digest for name, digest in base["blake3"].items()} if base else {}),
        "Input": f"{len(card['channels'])} channels of {card['px']} x {card['px']} pixels of {card['pixel_m']} m",
        "Output": card["output"],
        "Classes": ", ".join(card["class_names"]),
        "Threshold": card["threshold"],
    }


def _inputs(card: Mapping[str, Any]) -> str:
    """The channels; images that differ in channels, units, size or type are refused."""
    names = ("id", "role", "sensor", "unit", "scale", "offset", "nodata", "mean", "std", "normalisation")
    return (
        "Images that differ from these channels in name, order, unit or size are refused. Values are `scale` x DN + `offset`.\n\n"
        + _table(names, ([record[name] for name in names] for record in card["channels"]))
    )


def _metrics(card: Mapping[str, Any]) -> str:
    """Scores with intervals that the caller gave, then those on validation."""
    scored = [[row.get(name, "") for name in _METRICS] for row in card.get("metrics", ())]
    validation = card.get("validation", {})
    parts = [
        _table(_METRICS, scored) if scored else "",
        f"On validation, where the threshold was chosen, and so optimistic:\n\n{_list(validation)}" if validation else "",
    ]
    return "\n".join(part for part in parts if part) or NOT_TOLD


def _facts(card: Mapping[str, Any], *names: str) -> str:
    """What the caller told under each name, as a list."""
    told = {name: card[name] for name in names if card.get(name)}
    flat = {
        f"{name} {key}": value
        for name, facts in told.items()
        for key, value in (facts.items() if isinstance(facts, Mapping) else [("", facts)])
    }
    return _list(flat) if flat else NOT_TOLD


def _list(facts: Mapping[str, Any]) -> str:
    return "".join(f"- {name.strip()}: {_text(value)}\n" for name, value in facts.items())


def _table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [list(names), ["---"] * len(names), *([_text(value) for value in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _text(value: Any) -> str:
    """A value on one line; numbers by six digits, so that no reader takes the last bits for knowledge."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return " ".join(value.replace("|", "/").split())
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
