"""How the texts of command-line options are read."""

from mining_platform.consoles import CommandError


def words(text: str) -> tuple[str, ...]:
    """`a, b` -> ("a", "b")."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def numbers(text: str) -> tuple[int, ...]:
    """`2016-2018, 2022` -> (2016, 2017, 2018, 2022)."""
    years: list[int] = []
    for word in words(text):
        first, _, last = word.partition("-")
        try:
            years += range(int(first), int(last or first) + 1)
        except ValueError:
            raise CommandError(f"{word!r} is not a year or a span of years. Write 2024, 2020,2022 or 2016-2022.") from None
    return tuple(years)
