"""What a comparison tells of one system, in one row."""

from collections.abc import Mapping
from typing import Any

from mining_platform.comparisons.places import Places
from mining_platform.comparisons.systems import Theirs

TABLE = (
    *("id", "name", "span", "our_cell_m", "their_cell_m", "grid_m", "ours_ha", "theirs_ha", "both_ha", "only_ours_ha"),
    *("only_theirs_ha", "union_ha", "no_data_ha", "iou", "found_share", "known_share"),
    *("our_places", "our_places_known", "their_places", "their_places_found", "simulated"),
)
"""Columns of tables of systems; a row also holds the cells (`…_px`) of each part."""


def row_of(theirs: Theirs, told: Mapping[str, Any], places: Places, *, simulated: bool) -> dict[str, Any]:
    """A system's row, from what `write_agreement` told and the places of its map."""
    both = told["both_ha"]
    shares = {
        "iou": _share(both, told["union_ha"]),
        "found_share": _share(both, both + told["only_theirs_ha"]),
        "known_share": _share(both, both + told["only_ours_ha"]),
    }
    named = {"id": theirs.id, "name": theirs.name, "span": theirs.span, "their_cell_m": round(theirs.cell_m, 1)}
    return {**named, **told, **shares, **places.counts, "simulated": simulated}


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
