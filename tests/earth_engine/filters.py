"""Filters and joins.

A filter says True, False, or None where a property it asks for is absent; only True passes, and the opposite of None
is None (the documentation is silent; the client compiles `gte` to "not less than").
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.earth_engine.elements import INDEX, TIME, Collection, Element, Feature, geometry_of, property_of, with_properties
from tests.earth_engine.errors import RefusedError
from tests.earth_engine.values import Date, DateRange, date

Verdict = bool | None
Filter = Callable[[Element, Element], Verdict]
"""(left element, right element) -> verdict; on a collection both are the same element."""


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Verdict]:
    """A comparison of two numbers or two strings; None for anything else."""

    def verdict(left: Any, right: Any) -> Verdict:
        left, right = (value.millis if isinstance(value, Date) else value for value in (left, right))
        numbers = all(isinstance(value, int | float) for value in (left, right))
        strings = all(isinstance(value, str) for value in (left, right))
        return compare(left, right) if numbers or strings else None

    return verdict


def _contains_date(left: Any, right: Any) -> bool:
    when = date(right).millis
    return isinstance(left, DateRange) and left.start.millis <= when < left.end.millis


def _geometries(test: str) -> Callable[[Any, Any], Verdict]:
    def verdict(left: Any, right: Any) -> Verdict:
        first, second = geometry_of(left), geometry_of(right)
        return test == "intersects" if first is None or second is None else bool(getattr(first, test)(second))

    return verdict


COMPARISONS: Mapping[str, Callable[[Any, Any], Verdict]] = {
    "equals": lambda left, right: left == right,
    "notEquals": lambda left, right: left != right,
    "lessThan": _ordered(lambda left, right: left < right),
    "lessThanOrEquals": _ordered(lambda left, right: left <= right),
    "greaterThan": _ordered(lambda left, right: left > right),
    "greaterThanOrEquals": _ordered(lambda left, right: left >= right),
    "listContains": lambda left, right: right in left,
    "stringContains": lambda left, right: right in left,
    "stringStartsWith": lambda left, right: left.startswith(right),
    "stringEndsWith": lambda left, right: left.endswith(right),
    "dateRangeContains": _contains_date,
    "intersects": _geometries("intersects"),
    "isContained": _geometries("within"),
    "contains": _geometries("contains"),
}
SHORT = {"eq": "equals", "neq": "notEquals", "lt": "lessThan", "lte": "lessThanOrEquals", "gt": "greaterThan"}
SHORT |= {"gte": "greaterThanOrEquals", "inList": "listContains"}


def comparison(name: str) -> Callable[..., Filter]:
    """The function `Filter.<name>` of a field or value on the left and on the right."""
    compare = COMPARISONS[SHORT.get(name, name)]

    def made(
        *,
        left_field: str | None = None,
        left_value: Any = None,
        right_field: str | None = None,
        right_value: Any = None,
        max_error: Any = None,
    ) -> Filter:
        del max_error  # geometries are compared exactly

        def verdict(left: Element, right: Element) -> Verdict:
            first = left_value if left_field is None else property_of(left, left_field)
            second = right_value if right_field is None else property_of(right, right_field)
            return None if first is None or second is None else compare(first, second)

        return verdict

    return made


def every(filters: Sequence[Filter]) -> Filter:
    """`Filter.and`."""

    def verdict(left: Element, right: Element) -> Verdict:
        verdicts = [one(left, right) for one in filters]
        return False if False in verdicts else None if None in verdicts else True

    return verdict


def opposite(filter: Filter) -> Filter:
    """`Filter.not`."""

    def verdict(left: Element, right: Element) -> Verdict:
        found = filter(left, right)
        return None if found is None else not found

    return verdict


def some(filters: Sequence[Filter]) -> Filter:
    """`Filter.or`."""
    return opposite(every([opposite(one) for one in filters]))


def max_difference(difference: float, **sides: Any) -> Filter:
    """`Filter.maxDifference` of two numeric fields."""

    def verdict(left: Element, right: Element) -> Verdict:
        first, second = property_of(left, sides["left_field"]), property_of(right, sides["right_field"])
        return None if first is None or second is None else abs(first - second) <= difference

    return verdict


def calendar_range(start: int, end: int | None = None, field: str = "day_of_year") -> Filter:
    """`Filter.calendarRange` on `system:time_start`, UTC, both ends included; wraps where end < start."""
    last = start if end is None else end

    def verdict(element: Element, _other: Element) -> Verdict:
        when = property_of(element, TIME)
        if when is None:
            return None
        moment = datetime.fromtimestamp(when / 1000, UTC)
        fields = {
            "year": moment.year,
            "month": moment.month,
            "day_of_year": moment.timetuple().tm_yday,
            "day_of_month": moment.day,
        }
        if field not in fields:
            raise RefusedError(f"Filter.calendarRange: field {field!r} is not known to this stand-in: {', '.join(fields)}.")
        value = fields[field]
        return start <= value <= last if start <= last else value >= start or value <= last

    return verdict


def filtered(collection: Collection, filter: Filter) -> Collection:
    """`Collection.filter`."""
    return Collection(tuple(element for element in collection.elements if filter(element, element)), collection.asset_id)


@dataclass(frozen=True)
class Join:
    """A way to build results from elements of a primary collection and their matches in a secondary one."""

    results: Callable[[Element, list[Element]], list[Element]]


def _save(matches: list[Element], key: str, ordering: str | None, *, ascending: bool, all_of_them: bool) -> dict[str, Any]:
    if ordering is not None:
        matches = sorted(matches, key=lambda match: property_of(match, ordering), reverse=not ascending)
    return {key: matches if all_of_them else matches[0]}


def save(
    key: str, ordering: str | None = None, *, ascending: bool = True, outer: bool = False, all_of_them: bool = False
) -> Join:
    """`Join.saveFirst` and `Join.saveAll`: matches become a property; without a match an element is dropped unless `outer`."""

    def results(primary: Element, matches: list[Element]) -> list[Element]:
        if not matches:
            return [primary] if outer else []
        return [with_properties(primary, _save(matches, key, ordering, ascending=ascending, all_of_them=all_of_them))]

    return Join(results)


def _pairs(primary_key: str, secondary_key: str) -> Join:
    def results(primary: Element, matches: list[Element]) -> list[Element]:
        indices = [f"{primary.properties.get(INDEX)}_{match.properties.get(INDEX)}" for match in matches]
        pairs = zip(indices, matches, strict=True)
        return [Feature(None, {INDEX: index, primary_key: primary, secondary_key: match}) for index, match in pairs]

    return Join(results)


def joined(join: Join, primary: Collection, secondary: Collection, condition: Filter) -> Collection:
    """`Join.apply`: matches in the order of the secondary collection."""
    made: list[Element] = []
    for element in primary.elements:
        made += join.results(element, [other for other in secondary.elements if condition(element, other)])
    return Collection(tuple(made))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{f"Filter.{name}": comparison(name) for name in (*COMPARISONS, *SHORT)},
    "Filter.and": every,
    "Filter.or": some,
    "Filter.not": opposite,
    "Filter.always": lambda: lambda _left, _right: True,
    "Filter.never": lambda: lambda _left, _right: False,
    "Filter.notNull": lambda properties: lambda left, _right: all(property_of(left, name) is not None for name in properties),
    "Filter.rangeContains": lambda field, min_value, max_value: every(
        [comparison("gte")(left_field=field, right_value=min_value), comparison("lte")(left_field=field, right_value=max_value)]
    ),
    "Filter.maxDifference": max_difference,
    "Filter.calendarRange": calendar_range,
    "Collection.filter": filtered,
    "Join.simple": lambda: Join(lambda primary, matches: [primary] if matches else []),
    "Join.inverted": lambda: Join(lambda primary, matches: [] if matches else [primary]),
    "Join.inner": lambda primary_key="primary", secondary_key="secondary": _pairs(primary_key, secondary_key),
    "Join.saveFirst": lambda match_key, ordering=None, ascending=True, outer=False: save(
        match_key, ordering, ascending=ascending, outer=outer
    ),
    "Join.saveAll": lambda matches_key, ordering=None, ascending=True, outer=False: save(
        matches_key, ordering, ascending=ascending, outer=outer, all_of_them=True
    ),
    "Join.apply": joined,
}
