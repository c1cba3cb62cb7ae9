"""Sets of class codes by name, so that people ask for `mining` or `garimpo` instead of numbers."""

import re
from dataclasses import dataclass

from mining_platform.labels.mapbiomas import NO_CLASS_CODES


class ClassSetError(ValueError):
    """A name or number that stands for no class; the message names those there are."""


@dataclass(frozen=True)
class ClassSet:
    """Codes of one map product that belong together."""

    name: str
    codes: frozenset[int]
    no_class: frozenset[int]
    """Codes of that product that say nothing about the ground."""
    product: str
    """The map in which the codes mean this."""


COVERAGE = "MapBiomas land cover"
SUBSTANCES = "MapBiomas mining substances"
SUBSTANCE_CODES = range(1, 31)
"""A substance's number, such as 15 for gold; 100 is added for industrial mining, 200 for garimpo (wildcat mining).
MapBiomas Collection 10, Algorithm Theoretical Basis Document, appendix Mining, table 3."""
GOLD = 15

CLASS_SETS: dict[str, ClassSet] = {
    row.name: row
    for row in (
        ClassSet("mining", frozenset({30}), NO_CLASS_CODES, COVERAGE),
        ClassSet("industrial", frozenset(100 + code for code in SUBSTANCE_CODES), frozenset(), SUBSTANCES),
        ClassSet("garimpo", frozenset(200 + code for code in SUBSTANCE_CODES), frozenset(), SUBSTANCES),
        ClassSet("garimpo-gold", frozenset({200 + GOLD}), frozenset(), SUBSTANCES),
        ClassSet("industrial-gold", frozenset({100 + GOLD}), frozenset(), SUBSTANCES),
    )
}
"""In the substances map 0 is ground without mining, so there it counts as valid."""


def parsed_classes(text: str) -> ClassSet:
    """The set that a text such as `30`, `101-130,215` or `garimpo,industrial` names; names must be of one map product.

    ClassSetError for an unknown name, an empty text and names of different products. Numbers alone have no `no_class`: what
    they mean is not known.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise ClassSetError(f"No class is named. Write codes such as 30, or names: {', '.join(CLASS_SETS)}.")
    named = [CLASS_SETS[word] for word in words if word in CLASS_SETS]
    numbers = frozenset(code for word in words if word not in CLASS_SETS for code in _codes(word))
    if len(products := {row.product for row in named}) > 1:
        raise ClassSetError(
            f"{', '.join(words)} are classes of different maps ({', '.join(sorted(products))}). Name those of one."
        )
    codes, no_class = numbers.union(*(row.codes for row in named)), frozenset[int]().union(*(row.no_class for row in named))
    return ClassSet(",".join(words), codes, no_class, "".join(products) or "given codes")


def _codes(word: str) -> range:
    """`30`, `-9999` or `101-130`."""
    if found := re.fullmatch(r"(-?\d{1,6})(?:-(\d{1,6}))?", word, re.ASCII):
        codes = range(int(found[1]), int(found[2] or found[1]) + 1)
    if not found or not codes:
        raise ClassSetError(f"{word!r} is no class. Write codes such as 30 or 101-130, or names: {', '.join(CLASS_SETS)}.")
    return codes
