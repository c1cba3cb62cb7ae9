"""Sets of classes by name and number."""

import pytest

from mining_platform.labels.class_sets import ClassSetError, parsed_classes
from mining_platform.labels.mapbiomas import NO_CLASS_CODES


def test_numbers_and_spans_are_the_codes_they_say() -> None:
    chosen = parsed_classes("30, 101-103,215")
    assert chosen.codes == {30, 101, 102, 103, 215}
    assert chosen.no_class == frozenset(), "what numbers of an unknown map mean is not known"


def test_mining_is_class_30_of_the_land_cover_map_with_its_codes_without_a_class() -> None:
    assert parsed_classes("mining").codes == {30}
    assert parsed_classes("mining").no_class == NO_CLASS_CODES


def test_garimpo_and_industrial_are_told_by_the_hundreds_of_the_substances_map() -> None:
    assert {214, 215, 225} < parsed_classes("garimpo").codes
    assert {102, 115, 130} < parsed_classes("industrial").codes
    assert parsed_classes("garimpo").codes.isdisjoint(parsed_classes("industrial").codes)
    assert parsed_classes("garimpo,industrial").codes == parsed_classes("garimpo").codes | parsed_classes("industrial").codes
    assert parsed_classes("garimpo").no_class == frozenset(), "0 is ground without mining in that map"
    assert parsed_classes("garimpo-gold").codes == {215}


def test_classes_of_two_maps_are_not_mixed() -> None:
    with pytest.raises(ClassSetError, match="classes of different maps"):
        parsed_classes("mining,garimpo")


@pytest.mark.parametrize("text", ["", " , ", "gold", "30-20", "3.5", "-"])
def test_what_names_no_class_is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(ClassSetError, match="garimpo"):
        parsed_classes(text)
