"""Sides by hash: what a group's name alone decides, so that more groups never move the others."""

from collections.abc import Mapping

import numpy as np
from blake3 import blake3


def unit_hash(text: str) -> float:
    """A number in [0, 1) that depends on a text alone."""
    return int.from_bytes(blake3(text.encode()).digest(length=6), "big") / 2**48


def side_of(number: float, fractions: Mapping[str, float]) -> str:
    """The split whose part of the span from 0 to the sum of the fractions, in their order, holds a number."""
    names, limits = list(fractions), np.cumsum(list(fractions.values()))
    return names[min(int(np.searchsorted(limits, number, side="right")), len(names) - 1)]


def filled(sides: Mapping[str, str], has_mining: Mapping[str, bool], fractions: Mapping[str, float], seed: int) -> dict[str, str]:
    """Sides such that every split has a group with mining, else any group, as far as others can spare one.

    The first group in the seed's hash order moves; this alone looks at the other groups, and matters for a handful only.
    """
    full = dict(sides)
    order = sorted(sides, key=lambda group: unit_hash(f"{seed}:{group}"))
    for wanted in ([group for group in order if has_mining[group]], order):
        for name in fractions:
            if any(full[group] == name for group in wanted):
                continue
            counts = {donor: sum(full[group] == donor for group in wanted) for donor in fractions}
            donor = max(counts, key=lambda each: (counts[each], fractions[each]))
            if counts[donor] > 1:
                full[next(group for group in wanted if full[group] == donor)] = name
    return full
