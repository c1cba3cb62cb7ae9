"""Hectares of mining in people's territories."""

import geopandas as gpd
import pytest
from pyproj import Geod
from shapely.geometry import MultiPolygon, Polygon, box

from mining_platform.territories import OUTSIDE, area_ha, hectares_by_territory


def hectares(west: float, south: float, east: float, north: float) -> float:
    """On the ellipsoid, by PROJ."""
    return abs(Geod(ellps="WGS84").geometry_area_perimeter(box(west, south, east, north))[0]) / 10_000


def polygons(*shapes: Polygon, **columns: list[str]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(columns, geometry=list(shapes), crs=4326)


HALVES = polygons(
    box(-52, 2, -51.9, 2.1), box(-51.9, 2, -51.8, 2.1), kind=["municipality"] * 2, territory_id=["a", "b"], name=["West", "East"]
)


def test_mining_over_a_border_is_cut_there_and_the_rest_is_outside() -> None:
    mining = polygons(box(-51.91, 2.0, -51.88, 2.01), box(-51.5, 2, -51.49, 2.01))

    found = hectares_by_territory(HALVES, {"mining_ha": mining}).set_index("territory_id")["mining_ha"]

    assert found.to_dict() == pytest.approx(
        {
            "b": hectares(-51.9, 2, -51.88, 2.01),
            "a": hectares(-51.91, 2, -51.9, 2.01),
            OUTSIDE: hectares(-51.5, 2, -51.49, 2.01),
        },
        rel=1e-6,
    )
    assert found.index.tolist() == ["b", "a", OUTSIDE]


def test_the_parts_of_a_kind_that_covers_everything_add_up_to_the_whole() -> None:
    mining = polygons(box(-51.95, 2.01, -51.85, 2.02), Polygon([(-51.93, 2.05), (-51.82, 2.04), (-51.9, 2.09)]))

    found = hectares_by_territory(HALVES, {"mining_ha": mining})

    assert found["mining_ha"].sum() == pytest.approx(sum(area_ha(shape) for shape in mining.geometry), rel=1e-6)


def test_kinds_are_counted_each_for_itself_and_ground_of_two_territories_in_both() -> None:
    both = polygons(
        *(box(-52, 2, east, 3) for east in (-51, -51.5, -51)),
        kind=["land", "land", "park"],
        territory_id=["1", "2", "3"],
        name=[""] * 3,
    )
    mining = polygons(box(-51.9, 2.1, -51.8, 2.2))
    whole = hectares(-51.9, 2.1, -51.8, 2.2)

    found = hectares_by_territory(both, {"mining_ha": mining, "new_ha": mining.iloc[:0]})

    assert found.set_index(["kind", "territory_id"])["mining_ha"].to_dict() == pytest.approx(
        {("land", "1"): whole, ("land", "2"): whole, ("land", OUTSIDE): 0.0, ("park", "3"): whole, ("park", OUTSIDE): 0.0},
        rel=1e-6,
    )
    assert found["new_ha"].tolist() == [0.0] * 5


def test_a_named_kind_without_a_territory_has_a_row_of_all_mining() -> None:
    mining = polygons(box(-51.95, 2.0, -51.94, 2.01))

    found = hectares_by_territory(HALVES, {"mining_ha": mining}, kinds=["park", "municipality"])
    alone = hectares_by_territory(HALVES.iloc[:0], {"mining_ha": mining}, kinds=["park"])

    assert found.loc[found["territory_id"] == OUTSIDE, ["kind", "mining_ha"]].to_numpy().tolist() == [
        ["municipality", 0.0],
        ["park", pytest.approx(hectares(-51.95, 2, -51.94, 2.01), rel=1e-6)],
    ]
    assert (
        alone[["kind", "territory_id", "mining_ha"]].to_numpy().tolist()
        == found.iloc[-1:][["kind", "territory_id", "mining_ha"]].to_numpy().tolist()
    )


def test_holes_are_no_area_and_the_direction_of_rings_does_not_matter() -> None:
    ring, hole = [(0, 0), (0.1, 0), (0.1, 0.1), (0, 0.1)], [(0.02, 0.02), (0.04, 0.02), (0.04, 0.04), (0.02, 0.04)]
    wanted = hectares(0, 0, 0.1, 0.1) - hectares(0.02, 0.02, 0.04, 0.04)

    for shape in (Polygon(ring, [hole]), Polygon(ring[::-1], [hole]), MultiPolygon([Polygon(ring, [hole[::-1]])])):
        assert area_ha(shape) == pytest.approx(wanted, rel=1e-6)


def test_polygons_that_are_not_in_degrees_are_refused() -> None:
    with pytest.raises(ValueError, match=r"polygons of new_ha are not in EPSG:4326.*Transform"):
        hectares_by_territory(HALVES, {"new_ha": HALVES.to_crs(32622)})
