"""A trained model over a whole mosaic: a map of the probability of mining, and polygons of where it reaches a threshold.

Windows lie at half-overlap from the grid's upper left corner, see `stack_tiles`; how their scores become one map is in
`score_maps`. Memory holds a row of a strip of chunks and the layers of one tile, whatever the size of the region.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
import rasterio.shutil
from blake3 import blake3
from numpy.typing import NDArray
from rasterio.windows import Window

from mining_platform import zarr_arrays
from mining_platform.chunks import CHUNK_PX, Block, grid_attributes
from mining_platform.computing import HERE, Compute
from mining_platform.detection_polygons import detection_polygons
from mining_platform.labels.mapbiomas import SIMULATED_MARK
from mining_platform.models.classifier import Classifier
from mining_platform.models.contracts import channel_record, check_quantities
from mining_platform.mosaic_exports import COG
from mining_platform.score_maps import ScoreMap, add_window, blocks_of_map, new_map
from mining_platform.stack_tiles import Tile, WindowLattice, computed_in_all, half_overlapping, tile_rows
from mining_platform.stacks import Stack, layers_of, open_stack
from mining_platform.store import durable
from mining_platform.tile_scores import Scored, Scoring, scored_row, scored_tiles

MAP_NAME, PARQUET_NAME, GEOJSON_NAME, FACTS_NAME = (
    "probability.tif",
    "detections.parquet",
    "detections.geojson",
    "detections.json",
)
ABOVE_NAME = "above.tif"  # of the threshold; for making outlines, removed with the other temporary files

Progress = Callable[[int], None]
"""Told the number of windows scored so far."""


def detect(  # noqa: PLR0913 - what a map is made of and who makes it, each by name
    classifier: Classifier,
    mosaic: Path,
    layers: Mapping[str, Path],
    out: Path,
    *,
    threshold: float | None = None,
    compute: Compute = HERE,
    model: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score a `mosaic.zarr` and the layers beside it (name -> `<layer>.zarr`); write map, polygons and facts into `out`.

    `probability.tif`: COG, float32 in [0, 1], NaN where the mosaic has no clear observation, a layer no data, or no chunk was
    computed; a cell is half a window for classifiers, a pixel for segmentation. `detections.parquet` and `.geojson`: see
    `detection_polygons`, of the model's own threshold where `threshold` is None. `detections.json`: the facts returned, which are
    windows, cells, cells_above, detections, area_m2, threshold, cell_m, grid, channels, model (architecture, px, blake3), and
    simulated. Equal input gives equal bytes. Each file appears whole or not at all. Where `model` is the published folder of the
    classifier, workers of `compute` elsewhere score rows of tiles with it; else all is scored here.

    ValueError naming what of channels, units, layers or grids the model cannot use, and for a threshold outside [0, 1];
    ArrayError where a chunk is damaged.
    """
    cut = classifier.threshold if threshold is None else threshold
    if not 0 <= cut <= 1:
        raise ValueError(f"The threshold {cut} is no probability. Name one from 0 to 1.")
    stack = checked_stack(classifier, mosaic, layers)
    lattice = half_overlapping(stack.mosaic.geobox, classifier.px)
    by_pixel = len(classifier.class_names) > 1
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out, prefix=durable.TEMPORARY_PREFIX) as folder:
        work = Path(folder)
        scored = new_map(stack.mosaic.geobox, lattice, work, by_pixel=by_pixel)
        computed = computed_in_all(mosaic, list(layers.values()))
        windows = 0
        if compute.is_elsewhere and model is not None:
            all_scores = _scored_elsewhere(compute, Scoring(model, mosaic, dict(layers), lattice), computed)
        else:
            all_scores = scored_tiles(classifier, stack, lattice, computed)
        for tile, scores, chosen in all_scores:
            _add(scored, lattice, tile, scores, chosen)
            windows += len(scores)
            if progress:
                progress(windows)
        cells = _write_maps(scored, work, cut, simulated=stack.simulated)
        table = _polygons(work, simulated=stack.simulated)
        table.to_parquet(work / PARQUET_NAME, index=False)
        (work / GEOJSON_NAME).write_text(geojson_of(table), encoding="utf-8")
        facts = {**_facts(classifier, stack, scored, table, cut), "windows": windows, **cells}
        (work / FACTS_NAME).write_text(json.dumps(facts, sort_keys=True, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        for name in (MAP_NAME, PARQUET_NAME, GEOJSON_NAME, FACTS_NAME):
            durable.sync(work / name)
            (work / name).replace(out / name)
    return facts


def checked_stack(classifier: Classifier, mosaic: Path, layers: Mapping[str, Path]) -> Stack:
    """The stack of the model's channels; ValueError naming what of it the model cannot use.

    A mosaic that holds the channels of a layer itself, as a file of a whole stack does, needs no layer for them.
    """
    own = zarr_arrays.group_attributes(mosaic).get("channels", ())
    needed = layers_of([channel for channel in classifier.channels if channel not in own])
    if wrong := sorted(set(needed) ^ set(layers)):
        wanted = ", ".join(needed) or "no layers"
        raise ValueError(f"The model's channels need {wanted} beside the mosaic; {', '.join(wrong)} are lacking or too many.")
    told = {row["id"]: row for path in (mosaic, *layers.values()) for row in zarr_arrays.group_attributes(path).get("bands", ())}
    norm = classifier.normalisation
    trained = [channel_record(*row) for row in zip(norm.channels, norm.mean, norm.std, strict=True)]
    check_quantities(trained, told, where=str(mosaic))
    stack = open_stack(mosaic, layers, classifier.channels)
    grid = stack.mosaic.geobox
    if moved := sorted(name for name, layer in stack.layers.items() if layer.geobox != grid):
        raise ValueError(f"{', '.join(moved)} and the mosaic are not on one grid. Make them for the same region.")
    side_m = classifier.pixel_m
    if (grid.resolution.x, grid.resolution.y) != (side_m, -side_m) or not (grid.crs and grid.crs.projected):
        here = f"{grid.resolution.x:g} {'m' if grid.crs and grid.crs.projected else 'degrees'}"
        wanted = f"The model was trained on pixels of {side_m:g} m"
        raise ValueError(f"{wanted}; {mosaic.name} has pixels of {here}. Give it on such a grid, north up.")
    return stack


def _scored_elsewhere(compute: Compute, scoring: Scoring, computed: frozenset[Block]) -> Iterator[Scored]:
    """As `scored_tiles`, the tiles without their images."""
    rows = tile_rows(scoring.lattice, computed)
    with closing(compute.results(partial(scored_row, scoring), rows, what="rows of scores")) as made:
        for row in made:
            yield from row


def _add(scored: ScoreMap, lattice: WindowLattice, tile: Tile, scores: NDArray[np.floating], chosen: NDArray[np.int64]) -> None:
    first = np.array([tile.row, tile.column]) * lattice.step_px
    for corner, score in zip(tile.corners[chosen], scores, strict=True):
        down, over = (slice(start, start + lattice.px) for start in corner)
        row, column = (first + corner).tolist()
        add_window(scored, (row, column), np.asarray(score), tile.has_data[down, over])


def _write_maps(scored: ScoreMap, folder: Path, threshold: float, *, simulated: bool) -> dict[str, int]:
    """Write the map, and where it reaches the threshold, into a folder; the numbers of cells with a score, and above."""
    height, width = scored.geobox.shape
    tiled = {"tiled": True, "blockxsize": CHUNK_PX, "blockysize": CHUNK_PX, "compress": "DEFLATE", "BIGTIFF": "IF_SAFER"}
    shape = {"driver": "GTiff", "count": 1, "height": height, "width": width}
    place = {"crs": str(scored.geobox.crs), "transform": scored.geobox.affine}
    cells = above = 0
    with (
        rasterio.open(folder / "plain.tif", "w", dtype="float32", nodata=np.nan, **shape, **tiled, **place) as scores,
        rasterio.open(folder / ABOVE_NAME, "w", dtype="uint8", **shape, **tiled, **place) as reached,
    ):
        scores.descriptions = ("probability of mining",)
        if simulated:
            scores.update_tags(TIFFTAG_IMAGEDESCRIPTION=f"{SIMULATED_MARK}.")
        for part, mean in blocks_of_map(scored):
            yes = mean >= np.float32(threshold)
            scores.write(mean, 1, window=Window.from_slices(*part))
            reached.write(yes.astype(np.uint8), 1, window=Window.from_slices(*part))
            cells, above = cells + int(np.isfinite(mean).sum()), above + int(yes.sum())
    rasterio.shutil.copy(folder / "plain.tif", folder / MAP_NAME, driver="COG", **COG)
    return {"cells": cells, "cells_above": above}


def _polygons(folder: Path, *, simulated: bool) -> gpd.GeoDataFrame:
    with rasterio.open(folder / MAP_NAME, driver="GTiff") as scores, rasterio.open(folder / ABOVE_NAME, driver="GTiff") as above:
        return detection_polygons(scores, above, simulated=simulated)


def geojson_of(table: gpd.GeoDataFrame) -> str:
    """GeoJSON of RFC 7946: EPSG:4326, which is not named; `id` of a feature is its detection_id."""
    return table.set_index("detection_id", drop=False).to_json(to_wgs84=False, show_bbox=False, drop_id=False) + "\n"


def _facts(classifier: Classifier, stack: Stack, scored: ScoreMap, table: gpd.GeoDataFrame, threshold: float) -> dict[str, Any]:
    weights = blake3()
    for name, values in sorted(classifier.weights.items()):
        weights.update(name.encode() + np.ascontiguousarray(values).tobytes())
    return {
        "area_m2": float(table["area_m2"].sum()),
        "cell_m": scored.cell_px * classifier.pixel_m,
        "channels": list(classifier.channels),
        "detections": len(table),
        "grid": grid_attributes(scored.geobox),
        "model": {"architecture": classifier.architecture, "px": classifier.px, "weights_blake3": weights.hexdigest()},
        "simulated": stack.simulated,
        "threshold": threshold,
    }
