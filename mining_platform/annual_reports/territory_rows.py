"""What an annual report shows of territories."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from mining_platform.annual_reports.words import by_language
from mining_platform.territories import OUTSIDE

KINDS: Mapping[str, Mapping[str, str]] = by_language(
    {
        "indigenous-territory": ("Indigenous territory", "terra indígena", "territorio indígena"),
        "protected-area": ("protected area", "área protegida", "área protegida"),
        "municipality": ("municipality", "município", "municipio"),
        "country": ("country", "país", "país"),
    }
)
"""Usual kinds of territories; people choose others too."""


def kind_in(kind: str, language: str) -> str:
    """How a page calls a kind of territory: in its language where it is a usual one."""
    return KINDS[language].get(kind, kind)


def title_of(name: str, territory_id: str) -> str:
    """How a page calls a territory: by its name, or where it has none by its id."""
    return name or territory_id


def territory_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table of `territories.hectares_by_territory` with their `title`; None where a number is not there."""
    told = table.astype(object).where(table.notna(), None)
    titles = [title_of(*row) for row in zip(told["name"], told["territory_id"], strict=True)]
    rows = told.assign(title=titles, is_outside=told["territory_id"] == OUTSIDE).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]
