"""MTL files of simulated Landsat products, as text and as JSON, with the groups that Collection 2 Level 2 has."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from odc.geo.geobox import GeoBox
from pyproj import Transformer

from mining_platform.bands import LANDSAT_KELVIN_OFFSET, LANDSAT_KELVIN_SCALE, LANDSAT_OFFSET, LANDSAT_SCALE
from mining_platform.simulation.landsat_scenes import PIXEL_M, LandsatSpec

Groups = dict[str, dict[str, str]]
ROOT = "LANDSAT_METADATA_FILE"


def metadata(spec: LandsatSpec, grid: GeoBox, cloud_pct: float, names: Mapping[str, str]) -> Groups:
    """Groups and their keys; `names` are the files' endings by what they hold, such as `red` -> `SR_B4`."""
    reflecting = [name for name in names.values() if name.startswith("SR_")]
    thermal = [name for name in names.values() if name.startswith("ST_")]
    return {
        "SIMULATION": {"SIMULATED": "TRUE", "NOTE": "Made by a computer; it shows no real ground."},
        "PRODUCT_CONTENTS": {
            "LANDSAT_PRODUCT_ID": spec.id,
            "PROCESSING_LEVEL": "L2SP",
            "COLLECTION_NUMBER": "02",
            "COLLECTION_CATEGORY": "T1",
            "OUTPUT_FORMAT": "GEOTIFF",
            **{f"FILE_NAME_{_key(name)}": f"{spec.id}_{name}.TIF" for name in names.values()},
        },
        "IMAGE_ATTRIBUTES": _image(spec, cloud_pct),
        "PROJECTION_ATTRIBUTES": _projection(grid),
        "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": {
            **{f"REFLECTANCE_MULT_{_key(name)}": f"{LANDSAT_SCALE:g}" for name in reflecting},
            **{f"REFLECTANCE_ADD_{_key(name)}": f"{LANDSAT_OFFSET:.6f}" for name in reflecting},
        },
        "LEVEL2_SURFACE_TEMPERATURE_PARAMETERS": {
            **{f"TEMPERATURE_MULT_{_key(name)}": f"{LANDSAT_KELVIN_SCALE}" for name in thermal},
            **{f"TEMPERATURE_ADD_{_key(name)}": f"{LANDSAT_KELVIN_OFFSET}" for name in thermal},
        },
    }


def _key(name: str) -> str:
    """`SR_B4` -> `BAND_4`, `ST_B10` -> `BAND_ST_B10`, as MTL files call them."""
    return f"BAND_{name.removeprefix('SR_B')}" if name.startswith("SR_B") else f"BAND_{name}"


def _image(spec: LandsatSpec, cloud_pct: float) -> dict[str, str]:
    centre = spec.sensed + timedelta(seconds=12)
    path, row = spec.path_row
    return {
        "SPACECRAFT_ID": f"LANDSAT_{int(spec.instrument.sensor[2:])}",
        "SENSOR_ID": "OLI_TIRS" if spec.instrument.provider == "landsat-oli" else "TM",
        "WRS_PATH": f"{path}",
        "WRS_ROW": f"{row}",
        "DATE_ACQUIRED": f"{centre:%Y-%m-%d}",
        "SCENE_CENTER_TIME": f"{centre:%H:%M:%S}.0000000Z",
        "CLOUD_COVER": f"{cloud_pct:.2f}",
        "SUN_AZIMUTH": f"{spec.sun[0]:.8f}",
        "SUN_ELEVATION": f"{spec.sun[1]:.8f}",
    }


def _projection(grid: GeoBox) -> dict[str, str]:
    """Corners of the raster's corner pixels, by their centres, as USGS states them."""
    to_degrees = Transformer.from_crs(str(grid.crs), 4326, always_xy=True)
    rows, columns = grid.shape
    corners = {"UL": (0, 0), "UR": (columns - 1, 0), "LL": (0, rows - 1), "LR": (columns - 1, rows - 1)}
    places: dict[str, str] = {}
    for name, (column, row) in corners.items():
        x, y = grid.affine * (column + 0.5, row + 0.5)
        lon, lat = to_degrees.transform(x, y)
        places |= {f"CORNER_{name}_LAT_PRODUCT": f"{lat:.5f}", f"CORNER_{name}_LON_PRODUCT": f"{lon:.5f}"}
        places |= {f"CORNER_{name}_PROJECTION_X_PRODUCT": f"{x:.3f}", f"CORNER_{name}_PROJECTION_Y_PRODUCT": f"{y:.3f}"}
    frame = {"MAP_PROJECTION": "UTM", "DATUM": "WGS84", "GRID_CELL_SIZE_REFLECTIVE": f"{PIXEL_M:.2f}", "ORIENTATION": "NORTH_UP"}
    return frame | {"REFLECTIVE_LINES": f"{rows}", "REFLECTIVE_SAMPLES": f"{columns}"} | places


def as_json(groups: Groups) -> str:
    """An MTL.json."""
    document: dict[str, Any] = {ROOT: groups}
    return json.dumps(document, indent=1) + "\n"


def as_text(groups: Groups) -> str:
    """An MTL.txt: groups of `KEY = "value"` lines."""
    lines = [f"GROUP = {ROOT}"]
    for group, values in groups.items():
        told = [f"    {key} = {_written(value)}" for key, value in values.items()]
        lines += [f"  GROUP = {group}", *told, f"  END_GROUP = {group}"]
    return "\n".join([*lines, f"END_GROUP = {ROOT}", "END", ""])


def _written(value: str) -> str:
    """Numbers as they are, texts in quotes."""
    try:
        float(value)
    except ValueError:
        return f'"{value}"'
    return value
