"""Functions of a pixel's neighbours, in pixels of the grid being computed: inside `reproject`, of its pixels.

The morphological functions are short for `reduceNeighborhood` (guide Morphological operations), so like it they pass over
masked neighbours and mask the output where the input is masked.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.earth_engine.bands import Band, Pixels
from tests.earth_engine.elements import Image, to_image
from tests.earth_engine.errors import RefusedError
from tests.earth_engine.grids import DEFAULT_PROJECTION, Grid, Projection, metres_a_pixel
from tests.earth_engine.images import DOUBLE
from tests.earth_engine.reducers import FUNCTIONS as REDUCERS
from tests.earth_engine.reducers import Reducer

Offsets = list[tuple[int, int, float]]
"""(rows, columns, weight) of each neighbour with a weight, from the pixel."""

SLAB_PX = 4_000_000  # neighbours held at once: bounds memory under large kernels


@dataclass(frozen=True, eq=False)
class Kernel:
    """A neighbourhood; its pixels may depend on the grid (lengths in metres)."""

    offsets: Callable[[Projection], Offsets]


SHAPES: Mapping[str, Callable[[int, int, float], bool]] = {
    "circle": lambda dy, dx, radius: dy * dy + dx * dx <= radius * radius,
    "square": lambda dy, dx, radius: max(abs(dy), abs(dx)) <= radius,
    "diamond": lambda dy, dx, radius: abs(dy) + abs(dx) <= radius,
}


def shaped(shape: str, radius: float, units: str = "pixels", *, normalize: bool = True, magnitude: float = 1.0) -> Kernel:
    """`Kernel.circle`, `.square`, `.diamond`: all pixels of the shape with equal weights."""
    if shape not in SHAPES or units not in {"pixels", "meters"}:
        raise RefusedError(
            f"A kernel of shape {shape!r} in {units!r} is not known to this stand-in: {', '.join(SHAPES)}; pixels, meters."
        )

    def offsets(projection: Projection) -> Offsets:
        size = radius if units == "pixels" else radius / metres_a_pixel(projection)
        reach = range(-math.floor(size), math.floor(size) + 1)
        within = [(dy, dx) for dy in reach for dx in reach if SHAPES[shape](dy, dx, size)]
        return [(dy, dx, magnitude / len(within) if normalize else magnitude) for dy, dx in within]

    return Kernel(offsets)


def fixed(
    weights: Sequence[Sequence[float]], *, width: int = -1, height: int = -1, x: int = -1, y: int = -1, normalize: bool = False
) -> Kernel:
    """`Kernel.fixed`: rows of weights; the focus is (x, y) from the upper left, the middle by default. Zeros take no part."""
    table = np.array(weights, np.float64)
    if table.ndim != 2 or (width, height) not in {(-1, -1), table.shape[::-1]}:
        raise RefusedError(f"Kernel.fixed: weights are {table.shape} but width and height say {width} x {height}.")
    row, column = (table.shape[0] // 2 if y < 0 else int(y)), (table.shape[1] // 2 if x < 0 else int(x))
    scale = 1 / table.sum() if normalize else 1.0
    found = [(int(i) - row, int(j) - column, float(table[i, j]) * scale) for i, j in np.argwhere(table)]
    return Kernel(lambda _projection: found)


def reduce_neighborhood(
    image: Any,
    reducer: Reducer,
    kernel: Kernel,
    *,
    input_weight: str = "kernel",
    skip_masked: bool = True,
    optimization: str | None = None,  # noqa: ARG001
) -> Image:
    """`Image.reduceNeighborhood`: each band on its own; output bands `<band>_<output>`."""
    old = to_image(image)
    if reducer.num_inputs != 1 or input_weight not in {"kernel", "mask", "min"}:
        raise RefusedError(
            "Image.reduceNeighborhood: reducers of one input, weighted by kernel, mask or min, are known to this stand-in."
        )

    def reduced(band: Band, output: int) -> Band:
        def compute(grid: Grid) -> Pixels:
            offsets = kernel.offsets(grid.projection)
            kept = np.array([weight for _, _, weight in offsets])
            weights = {"kernel": kept, "mask": np.ones_like(kept), "min": np.minimum(kept, 1)}[input_weight]
            slabs = []
            for values, valid in _stacks(band, grid, offsets):
                slabs.append(reducer.reduce([values], valid, np.broadcast_to(weights[:, None, None], valid.shape))[output])
            pixels = Pixels(*(np.concatenate(parts) for parts in zip(*slabs, strict=True)))
            return Pixels(pixels.values, (pixels.valid | reducer.counts) & (band.on(grid).valid | (not skip_masked)))

        name = f"{band.name}_{reducer.outputs[output]}"
        return Band(name, reducer.dtype(band.dtype), band.projection, compute)

    return old.with_bands([reduced(band, output) for band in old.bands for output in range(len(reducer.outputs))])


def _stacks(band: Band, grid: Grid, offsets: Offsets) -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    """(n, rows, x) values and mask of each neighbour, slab by slab, read from a grid as much wider as the kernel reaches."""
    margin = max((max(abs(dy), abs(dx)) for dy, dx, _ in offsets), default=0)
    values, valid = band.on(grid.shifted(0, 0, grow=margin))
    rows = max(SLAB_PX // (len(offsets) * grid.width), 1)
    for top in range(0, grid.height, rows):
        bottom = min(top + rows, grid.height)
        windows = [
            np.s_[margin + dy + top : margin + dy + bottom, margin + dx : margin + dx + grid.width] for dy, dx, _ in offsets
        ]
        yield np.stack([values[window] for window in windows]).astype(np.float64), np.stack([valid[window] for window in windows])


def focal(name: str) -> Callable[..., Image]:
    """`Image.focalMax` and its like: a reducer over a kernel, some times over; band names and types are kept."""
    reducer: Reducer = REDUCERS[f"Reducer.{name}"]()

    def apply(
        image: Any,
        *,
        radius: float = 1.5,
        kernel_type: str = "circle",
        units: str = "pixels",
        iterations: int = 1,
        kernel: Kernel | None = None,
    ) -> Image:
        used = kernel or shaped(kernel_type, radius, units)
        result = to_image(image)
        for _ in range(int(iterations)):
            found = reduce_neighborhood(result, reducer, used, input_weight="mask")
            result = found.with_bands([band.named(old.name) for old, band in zip(result.bands, found.bands, strict=True)])
        return result

    return apply


def convolve(image: Any, kernel: Kernel) -> Image:
    """`Image.convolve`: the weighted sum of neighbours, in doubles.

    Masked where any neighbour with a weight is masked, and refused for kernels that turning would change: the
    documentation is silent on both.
    """
    old = to_image(image)

    def convolved(band: Band) -> Band:
        def compute(grid: Grid) -> Pixels:
            offsets = kernel.offsets(grid.projection)
            if sorted(offsets) != sorted((-dy, -dx, weight) for dy, dx, weight in offsets):
                raise RefusedError(
                    "Image.convolve: whether Earth Engine turns the kernel is not documented; use reduceNeighborhood."
                )
            weights = np.array([weight for _, _, weight in offsets])
            slabs = [(np.tensordot(weights, values, axes=1), valid.all(axis=0)) for values, valid in _stacks(band, grid, offsets)]
            return Pixels(*(np.concatenate(parts) for parts in zip(*slabs, strict=True)))

        return band.made(compute, DOUBLE)

    return old.with_bands([convolved(band) for band in old.bands])


def translate(input: Any, x: float, y: float, units: str = "meters", proj: Projection | None = None) -> Image:
    """`Image.translate`: moved along the axes of a projection, by default of the first band.

    In pixels along the axes of its pixels (y downwards where rows go south), in metres along those of its CRS (y north).
    """
    image = to_image(input)
    projection = proj or (image.bands[0].projection if image.bands else None) or DEFAULT_PROJECTION
    affine = projection.affine
    if units == "pixels":
        east, north = affine.a * x + affine.b * y, affine.d * x + affine.e * y
    else:
        metres_a_pixel(projection)
        east, north = x, y

    def moved(band: Band) -> Band:
        def compute(grid: Grid) -> Pixels:
            if grid.projection.crs != projection.crs:
                raise RefusedError(
                    f"Image.translate along {projection.crs} but computed on {grid.projection.crs}: reproject the result first."
                )
            here = grid.projection.affine
            columns, rows = ~here @ (here.c - east, here.f - north)
            return band.on(grid.shifted(columns, rows))

        return band.made(compute)

    return image.with_bands([moved(band) for band in image.bands])


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{f"Kernel.{shape}": lambda *, _shape=shape, **arguments: shaped(_shape, **arguments) for shape in SHAPES},
    "Kernel.fixed": fixed,
    "Image.reduceNeighborhood": reduce_neighborhood,
    "Image.convolve": convolve,
    "Image.translate": translate,
    **{
        f"Image.{old}": focal(name)
        for name in ("max", "min", "median", "mean")
        for old in (f"focal{name.title()}", f"focal_{name}")
    },
}
