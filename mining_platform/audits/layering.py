"""A drawing of who rests on whom, asset by asset: raw inputs above, what was made of them below.

Layers and order as of Sugiyama, Tagawa and Toda (1981), https://doi.org/10.1109/TSMC.1981.4308636: longest paths give the
layers, long edges pass through places of their own, and each place moves to the middle of its neighbours.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

SWEEPS = 8  # down and up again; more change nothing on graphs of this size
BOX_W, BOX_H, GAP_X, GAP_Y, LANE_W = 186, 46, 22, 44, 26
"""Pixels: a box, the gaps around it, and the place of an edge that passes a layer."""

Edge = tuple[str, str]
_Place = tuple[str, ...]  # (name,) of a box, (start, end, layer) of an edge that passes


@dataclass(frozen=True)
class Box:
    """A name and its middle, pixels from the top left."""

    name: str
    x: float
    y: float


@dataclass(frozen=True)
class Drawing:
    """Boxes and lines between them."""

    boxes: tuple[Box, ...]
    lines: tuple[tuple[tuple[float, float], ...], ...]
    """Points from the bottom of the upper box to the top of the lower one."""
    width: float
    height: float


def drawn(names: Iterable[str], edges: Iterable[Edge]) -> Drawing:
    """Boxes in layers; an edge (upper, lower) that follows from others, or that closes a circle, is left out."""
    names = sorted(names)
    lower = reduced(names, acyclic(names, sorted(set(edges))))
    layers = layers_of(names, lower)
    rows, links = _rows(layers, lower)
    return _placed(_ordered(rows, links), lower, layers)


def acyclic(names: Sequence[str], edges: Sequence[Edge]) -> list[Edge]:
    """The edges in order, without each that would close a circle with those before it."""
    kept: list[Edge] = []
    before: dict[str, set[str]] = {name: {name} for name in names}  # who can reach it
    for a, b in edges:
        if b in before[a]:
            continue
        kept.append((a, b))
        for name in names:
            if b in before[name]:
                before[name] |= before[a]
    return kept


def reduced(names: Sequence[str], edges: Sequence[Edge]) -> list[Edge]:
    """The edges without those that a longer way between their ends says already."""
    after = {name: {b for a, b in edges if a == name} for name in names}
    reach: dict[str, set[str]] = {}

    def reached(name: str) -> set[str]:
        if name not in reach:
            reach[name] = set().union(*({each} | reached(each) for each in after[name]))
        return reach[name]

    return [(a, b) for a, b in edges if not any(b in reached(other) for other in after[a] - {b})]


def layers_of(names: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """Length of the longest way from the top to each name."""
    layers = dict.fromkeys(names, 0)
    for _ in names:
        for a, b in edges:
            layers[b] = max(layers[b], layers[a] + 1)
    return layers


def _rows(layers: Mapping[str, int], edges: Sequence[Edge]) -> tuple[list[list[_Place]], list[tuple[_Place, _Place]]]:
    """Places by layer, and links between places of layers that follow each other."""
    rows: list[list[_Place]] = [[] for _ in range(max(layers.values(), default=-1) + 1)]
    for name, layer in layers.items():
        rows[layer].append((name,))
    links: list[tuple[_Place, _Place]] = []
    for a, b in edges:
        way = way_of((a, b), layers)
        for layer, place in zip(range(layers[a] + 1, layers[b]), way[1:-1], strict=True):
            rows[layer].append(place)
        links += pairwise(way)
    return rows, links


def way_of(edge: Edge, layers: Mapping[str, int]) -> list[_Place]:
    """The places that an edge passes, its ends included."""
    a, b = edge
    return [(a,), *((a, b, str(layer)) for layer in range(layers[a] + 1, layers[b])), (b,)]


def _ordered(rows: list[list[_Place]], links: Sequence[tuple[_Place, _Place]]) -> list[list[_Place]]:
    above: dict[_Place, list[_Place]] = {}
    below: dict[_Place, list[_Place]] = {}
    for upper, lower in links:
        above.setdefault(lower, []).append(upper)
        below.setdefault(upper, []).append(lower)
    for sweep in range(SWEEPS):
        near = above if sweep % 2 == 0 else below
        for number in range(len(rows)) if sweep % 2 == 0 else range(len(rows) - 1, -1, -1):
            rank = {place: i / max(len(row) - 1, 1) for row in rows for i, place in enumerate(row)}
            rows[number] = sorted(rows[number], key=lambda place: (_middle(place, near, rank), place))
    return rows


def _middle(place: _Place, near: Mapping[_Place, Sequence[_Place]], rank: Mapping[_Place, float]) -> float:
    found = near.get(place, ())
    return sum(rank[each] for each in found) / len(found) if found else rank[place]


def _placed(rows: list[list[_Place]], edges: Sequence[Edge], layers: Mapping[str, int]) -> Drawing:
    """Pixels: each row as wide as its places, in the middle of the drawing."""
    widths = [sum(_width(place) + GAP_X for place in row) - GAP_X for row in rows]
    width = max(widths, default=0)
    middle: dict[_Place, tuple[float, float]] = {}
    for number, row in enumerate(rows):
        x = (width - widths[number]) / 2
        for place in row:
            middle[place] = (x + _width(place) / 2, number * (BOX_H + GAP_Y) + BOX_H / 2)
            x += _width(place) + GAP_X
    boxes = tuple(Box(place[0], *middle[place]) for row in rows for place in row if len(place) == 1)
    lines = tuple(_line([middle[place] for place in way_of(edge, layers)]) for edge in edges)
    return Drawing(boxes, lines, width, max(len(rows) * (BOX_H + GAP_Y) - GAP_Y, 0))


def _width(place: _Place) -> int:
    return BOX_W if len(place) == 1 else LANE_W


def _line(middles: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """From the lower edge of the first box past both edges of each layer between to the upper edge of the last."""
    (x0, y0), *between, (x1, y1) = middles
    passed = [(x, y + side * BOX_H / 2) for x, y in between for side in (-1, 1)]
    return ((x0, y0 + BOX_H / 2), *passed, (x1, y1 - BOX_H / 2))
