"""Properties of a GeoJSON feature taken field by field, each mistake refused with its place and the remedy."""

import math
from collections.abc import Mapping
from string import Formatter
from typing import Any

from mining_platform.disclosure import secret_parameter
from mining_platform.regions import VARIABLE, RegionError

PLAUSIBLE_YEARS = range(1900, 2201)


class Fields:
    """What is left of an object's properties; `where` names the object in errors."""

    def __init__(self, properties: Mapping[str, Any], where: str) -> None:
        self.properties = dict(properties)
        self.where = where

    def fail(self, field: str, problem: str, remedy: str) -> RegionError:
        """The error of a mistake in a field."""
        return RegionError(f"{self.where}, field {field!r}: {problem}. {remedy}")

    def text(self, field: str, *, choices: tuple[str, ...] = (), default: str | None = None) -> str:
        """A text, one of the choices if there are any; may be absent only where there is a default."""
        value = self.properties.pop(field, default)
        if not isinstance(value, str) or (not value and default is None):
            raise self.fail(field, f"expected a text, found {value!r}", f"Add {field!r} to the feature.")
        if choices and value not in choices:
            raise self.fail(field, f"unknown value {value!r}", f"Use one of: {', '.join(choices)}.")
        return value

    def flag(self, field: str) -> bool:
        """True or false; absent means false."""
        value = self.properties.pop(field, False)
        if not isinstance(value, bool):
            raise self.fail(field, f"expected true or false, found {value!r}", "Write true or false.")
        return value

    def years(self, field: str) -> tuple[int, ...]:
        """Distinct years, sorted."""
        value = self.properties.pop(field, None)
        ok = isinstance(value, list) and value and all(type(year) is int and year in PLAUSIBLE_YEARS for year in value)
        if not ok or len(set(value)) != len(value):
            raise self.fail(field, f"expected distinct years, found {value!r}", "Write a list such as [2023, 2024].")
        return tuple(sorted(value))

    def span(self, field: str) -> tuple[int, int]:
        """The first and the last year."""
        match self.properties.pop(field, None):
            case [int(first), int(last)] if first in PLAUSIBLE_YEARS and first <= last and last in PLAUSIBLE_YEARS:
                return first, last
            case value:
                raise self.fail(field, f"expected the first and the last year, found {value!r}", "Write e.g. [1985, 2024].")

    def percentage(self, field: str, *, default: float) -> float:
        """A number from 0 to 100."""
        value = self.properties.pop(field, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:  # noqa: PLR2004 - per cent
            raise self.fail(field, f"expected 0 to 100, found {value!r}", "Write a percentage such as 60.")
        return float(value)

    def hectares(self, field: str, *, default: float) -> float:
        """A finite number that is not negative."""
        return self._amount(field, default, "hectares", "Write a number such as 11.")

    def metres(self, field: str, *, default: float) -> float:
        """A finite number that is not negative."""
        return self._amount(field, default, "metres", "Write a number such as 30.")

    def _amount(self, field: str, default: float, unit: str, remedy: str) -> float:
        value = self.properties.pop(field, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            raise self.fail(field, f"expected {unit}, found {value!r}", remedy)
        return float(value)

    def done(self) -> None:
        """Refuse what was not taken."""
        if self.properties:
            unknown = ", ".join(map(repr, self.properties))
            raise RegionError(f"{self.where}: unknown fields {unknown}. Remove them or mend their spelling.")

    def part(self, field: str) -> "Fields | None":
        """A nested object; absent is a mistake, null means none."""
        if field not in self.properties:
            raise self.fail(field, "is missing", "Describe the source, or write null for none.")
        value = self.properties.pop(field)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.fail(field, f"expected an object, found {value!r}", "Describe the source, or write null for none.")
        return Fields(value, f"{self.where}, {field}")

    def parts(self, field: str) -> "list[Fields]":
        """Nested objects of a list; absent means none."""
        value = self.properties.pop(field, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.fail(field, f"expected a list of objects, found {value!r}", "Describe each in an object of its own.")
        return [Fields(each, f"{self.where}, {field} {number}") for number, each in enumerate(value)]

    def href(self, field: str, *, with_year: bool) -> str:
        """A URL or path, in which `${MINING_PLATFORM_...}` and, where it may stand for the year, `{year}` are replaced."""
        href = self.text(field)
        try:
            marks = {mark[1:] for mark in Formatter().parse(VARIABLE.sub("", href)) if mark[1] is not None}
        except ValueError as error:
            raise self.fail(field, f"{href!r} is not a template ({error})", "Close every brace.") from None
        if not marks <= ({("year", "", None)} if with_year else set()):
            raise self.fail(field, f"{href!r} has unknown placeholders", "Only {year} and ${MINING_PLATFORM_…} are replaced.")
        if secret := secret_parameter(href):
            remedy = (
                f"Set it in the environment, and write ?{secret}=${{MINING_PLATFORM_…}}: region files are shared and recorded."
            )
            raise self.fail(field, f"the parameter {secret!r} of the address is a secret, written out", remedy)
        return href
