"""Region files: GeoJSON of regions, read and written.

The file is `regions.geojson`, or the one named by `MINING_PLATFORM_REGIONS`. A region is a feature of it, see
`region_features.py`; every mistake is refused with the feature, the field and the remedy.
"""

import json
import os
from pathlib import Path
from typing import Any

from mining_platform.region_features import parse_regions
from mining_platform.regions import Region, RegionError

REGIONS_VARIABLE = "MINING_PLATFORM_REGIONS"


def regions_file() -> Path:
    """The file named by MINING_PLATFORM_REGIONS, else `regions.geojson` in the working directory or the project."""
    named = os.environ.get(REGIONS_VARIABLE)
    if named:
        return Path(named)
    here = Path("regions.geojson")
    return here if here.exists() else Path(__file__).resolve().parent.parent / "regions.geojson"


def load_regions(path: Path | None = None) -> dict[str, Region]:
    """Regions by id, in the order of the file; RegionError on any mistake."""
    path = path or regions_file()
    return parse_regions(_read_features(path), str(path))


def add_region(path: Path, feature: dict[str, Any]) -> Region:
    """Append a feature to a region file; nothing is written unless the whole file is valid with it."""
    features = [*_read_features(path), feature]
    regions = parse_regions(features, str(path))
    beside = path.with_name(f"{path.name}.new")
    content = json.dumps({"type": "FeatureCollection", "features": features}, indent=1, ensure_ascii=False)
    beside.write_text(content + "\n", encoding="utf-8")
    beside.replace(path)
    return list(regions.values())[-1]


def _read_features(path: Path) -> list[Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RegionError(f"There is no region file {path}. Set {REGIONS_VARIABLE} to your file.") from None
    except OSError as error:
        problem = f"The region file {path} cannot be read ({type(error).__name__})"
        raise RegionError(f"{problem}. Mend its permissions, or set {REGIONS_VARIABLE} to another file.") from None
    except (ValueError, RecursionError) as error:
        raise RegionError(f"{path} is not JSON: {error}. Mend the file or restore it from version control.") from None
    if (
        not isinstance(content, dict)
        or content.get("type") != "FeatureCollection"
        or not isinstance(content.get("features"), list)
    ):
        raise RegionError(f"{path} is not a GeoJSON FeatureCollection. Wrap the features in one.")
    return content["features"]
