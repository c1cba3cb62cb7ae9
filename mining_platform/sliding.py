"""Windows beside the aligned ones: the grid shifted by steps, where a shifted window can hold more of a class."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mining_platform import pixel_areas
from mining_platform.grids import PIXEL_M, WindowGrid

AREA_MARGIN = 1e-3  # ground area of equal windows side by side differs by less, and so do its parts


def shifted_grids(
    grid: WindowGrid, class_area_m2: NDArray[np.floating], *, step_px: int, share_above: float, min_valid_share: float
) -> Iterator[tuple[WindowGrid, NDArray[np.bool_]]]:
    """Every grid shifted by steps that may hold a window with a share above a limit, and which of its windows may.

    `class_area_m2` (rows, columns) is the area of the class in the aligned windows, `min_valid_share` the least that a window
    needs. A shifted window lies in up to four aligned ones: it holds of each no more than its class area, and no more than
    the part that it covers. Which of the grid's windows may is a mask (rows, columns) of the shifted grid.
    """
    if not class_area_m2.any():
        return
    whole_m2 = pixel_areas.window_areas_m2(grid, np.arange(grid.rows))
    least_m2 = whole_m2 * min_valid_share * share_above
    for down in range(0, grid.px, step_px):
        for right in range(0, grid.px, step_px):
            if (down, right) == (0, 0):
                continue
            rows, columns = grid.rows - (down > 0), grid.columns - (right > 0)
            if rows < 1 or columns < 1:
                continue
            most_m2 = _most_m2(class_area_m2, whole_m2, down / grid.px, right / grid.px)
            wanted = most_m2 * (1 + AREA_MARGIN) >= least_m2[:rows, :columns] * (1 - AREA_MARGIN)
            if wanted.any():
                x0, y1 = grid.x0 + right * PIXEL_M, grid.y1 - down * PIXEL_M
                yield WindowGrid(grid.epsg, grid.px, x0, y1, columns, rows), wanted


def _most_m2(
    class_area_m2: NDArray[np.floating], whole_m2: NDArray[np.floating], down: float, right: float
) -> NDArray[np.float64]:
    """The most of the classes that each window of a grid shifted by shares of a window can hold; areas are (rows, columns)."""
    rows, columns = whole_m2.shape[0] - (down > 0), whole_m2.shape[1] - (right > 0)
    most = np.zeros((rows, columns))
    for i, high in ((0, 1 - down), (1, down)):
        for j, wide in ((0, 1 - right), (1, right)):
            if high and wide:
                part = (slice(i, i + rows), slice(j, j + columns))
                most += np.minimum(class_area_m2[part], whole_m2[part] * high * wide * (1 + AREA_MARGIN))
    return most
