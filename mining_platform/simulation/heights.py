"""Heights of a made-up landscape: hills that drain into valleys, streams and a main river that all run downhill.

The ground follows the drainage from which the streams were drawn: each cell lies above the one that it drains to. What a radar
from space sees of it, a surface model, has the forest's canopy on top.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from mining_platform.grids import PIXEL_M
from mining_platform.simulation import noise
from mining_platform.simulation.landscape import FOREST, WETLAND, Landscape, classes_in
from mining_platform.simulation.noise import Floats
from mining_platform.simulation.painting import TEXTURE_SCALE, Textures
from mining_platform.simulation.rivers import CELL_PX, Waters

MOUTH_M = 96.0
"""Height of the main river where it ends, over the geoid."""
FALL_M_PER_KM = 0.35
"""Of the main river along its course."""
BANK_M = 2.5
"""Least height of dry cells over the river they lie on."""
CELL_FALL_M = 0.08
"""Least fall from a cell to the one that it drains to."""
CANOPY_M = {FOREST: 21.0, WETLAND: 9.0}
"""Height of the radar surface over the ground by class, others 0: X band sees the upper canopy."""
SURVEY_YEAR = 2013
"""The landscape's year in the surface model: TanDEM-X surveyed from December 2010 to January 2015, GLO-30 handbook."""
VALLEY_PX = 11.0
"""Half width of a stream's own valley."""


def ground_heights(waters: Waters) -> Floats:
    """Bare ground and water surfaces, (y, x) metres on the canvas of the waters."""
    shape = waters.river.shape
    cells = waters.drainage.terrain.shape
    river_m = _river_heights(waters, cells)
    filled = _draining(waters, river_m)
    # Half as smooth as the cells are wide: enough to lose their corners, too little to dam a valley.
    heights = noise.enlarge(filled, (cells[0] * CELL_PX, cells[1] * CELL_PX))[: shape[0], : shape[1]]
    heights = heights - _incision(waters, cells)
    surface = noise.enlarge(river_m, (cells[0] * CELL_PX, cells[1] * CELL_PX))[: shape[0], : shape[1]]
    bank = np.minimum(BANK_M, 0.6 * waters.river_distance_px)
    return np.asarray(np.where(waters.river, surface, np.maximum(heights, surface + bank)), dtype=np.float32)


def surface_heights(landscape: Landscape, textures: Textures) -> Floats:
    """What a surface model of the survey's year shows: ground and canopy, (y, x) metres."""
    classes = classes_in(landscape, SURVEY_YEAR)
    by_code = np.zeros(256, dtype=np.float32)
    for code, canopy_m in CANOPY_M.items():
        by_code[code] = canopy_m
    crowns = by_code[classes] * (1 + 0.08 * textures.fine.astype(np.float32) / np.float32(TEXTURE_SCALE))
    return np.asarray(ground_heights(landscape.waters) + ndimage.uniform_filter(crowns, 3), dtype=np.float32)


def _river_heights(waters: Waters, cells: tuple[int, int]) -> Floats:
    """Height of the main river where it is nearest to each cell, (h, w) metres, smooth where two bends are equally near."""
    line = waters.river_line
    passed_km = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))]) * PIXEL_M / 1000
    y, x = (np.indices(cells).reshape(2, -1) + 0.5) * CELL_PX
    nearest = KDTree(line).query(np.column_stack([x, y]))[1]
    heights = MOUTH_M + FALL_M_PER_KM * (passed_km[-1] - passed_km[nearest]).reshape(cells)
    far = ndimage.gaussian_filter(heights, 8.0)
    share = np.clip(ndimage.distance_transform_edt(~waters.drainage.outlet) / 12, 0, 1)
    return np.asarray(heights * (1 - share) + far * share, dtype=np.float32)


def _draining(waters: Waters, river_m: Floats) -> Floats:
    """Heights of cells, each above the one that it drains to, (h, w) metres; outlets lie at the river's height."""
    drainage = waters.drainage
    wanted = np.where(drainage.outlet, river_m, river_m + BANK_M + np.maximum(drainage.terrain, -BANK_M)).ravel()
    heights, down = wanted.tolist(), drainage.receiver.tolist()
    for cell in drainage.order.tolist():
        if down[cell] >= 0:
            heights[cell] = max(heights[cell], heights[down[cell]] + CELL_FALL_M)
    return np.array(heights, dtype=np.float32).reshape(river_m.shape)


def _incision(waters: Waters, cells: tuple[int, int]) -> Floats:
    """How deep streams have cut into the ground, (y, x) metres: deeper the more land they drain."""
    shape = waters.river.shape
    if len(waters.stream_points) == 0:
        return np.zeros(shape, dtype=np.float32)
    y, x = (np.indices(cells).reshape(2, -1) + 0.5) * CELL_PX
    nearest = KDTree(waters.stream_points[:, :2]).query(np.column_stack([y, x]))[1]
    drained_km2 = waters.stream_points[nearest, 2].reshape(cells)
    depth = np.clip(1.5 + 0.7 * np.sqrt(drained_km2), 0, 5).astype(np.float32)
    wide = noise.enlarge(depth, (cells[0] * CELL_PX, cells[1] * CELL_PX))[: shape[0], : shape[1]]
    return np.asarray(wide * _across(waters.stream_distance_px), dtype=np.float32)


def _across(distance_px: Floats) -> NDArray[np.float32]:
    """Share of a valley's depth at a distance from its stream: 1 in the middle, 0 far off."""
    return np.asarray(np.exp(-0.5 * (distance_px / np.float32(VALLEY_PX)) ** 2), dtype=np.float32)
