"""How texts of options are read."""

import pytest

from mining_platform.consoles import CommandError
from mining_platform.options import numbers, words


def test_years_are_single_ones_and_spans() -> None:
    assert numbers("2016-2018, 2022") == (2016, 2017, 2018, 2022)
    assert numbers("") == numbers(" ") == ()
    assert words(" a, ,b ") == ("a", "b")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2024-2020", "'2024-2020' ends before it begins"),
        (",", "',' names no year"),
        ("last", "'last' is not a year"),
        ("2016-", "'2016-' is not a year or a span"),
        ("-2016", "'-2016' is not a year"),
    ],
)
def test_what_names_no_years_is_refused_since_none_would_mean_all(text: str, told: str) -> None:
    with pytest.raises(CommandError, match=f"{told}.*Write 2024, 2020,2022 or 2016-2022"):
        numbers(text)
