"""Tiny products under official names with known pixels: Sentinel-2 SAFE folders, the same as COG, and Landsat Collection 2."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from shapely.geometry import box

from mining_platform.bands import BANDS, LAYERS
from mining_platform.grids import project
from tests.synthetic import EPSG, LEFT_M, TOP_M, VEGETATION

L2A = "S2B_MSIL2A_20240601T140049_N0510_R067_T21MXN_20240601T180000"
L1C = "S2B_MSIL1C_20240601T140049_N0510_R067_T21MXN_20240601T160000"
OLI = "LC09_L2SP_227065_20240601_20240605_02_T1"
TM = "LT05_L2SP_227065_19980601_20200909_02_T1"
CLOUDS = "MSK_CLDPRB"
SIDE_M = 1_200
_S2_BANDS = tuple(band.id for band in BANDS.values() if band.sensor == "sentinel-2")


@dataclass(frozen=True)
class Sentinel:
    """A Sentinel-2 product; rasters are a number for every pixel, or native pixels from the corner (LEFT_M, TOP_M)."""

    name: str = L2A
    values: ArrayLike | Mapping[str, ArrayLike] = 2500
    """Digital numbers of all bands, or by band id (others are 2500)."""
    scl: ArrayLike = VEGETATION
    ending: str = "jp2"
    flat: bool = False
    """All files in the product's folder, not in those of SAFE."""
    xml: bool = True
    """Whether the XML files are there."""
    baseline: str | None = None
    """What XML states; the name's if None."""
    uri: str | None = None
    offsets: tuple[int, ...] | None = None
    """What XML states; 13 of -1000 from baseline 04.00 on if None."""
    quantification: int = 10_000
    cloud_pct: float = 12.5
    crs: str | None = f"EPSG:{EPSG}"
    without: tuple[str, ...] = ()
    """Names of bands and layers to leave out."""
    left_m: int = LEFT_M

    @property
    def is_l2a(self) -> bool:
        return "MSIL2A" in self.name


def write_sentinel(archive: Path, product: Sentinel | None = None) -> Path:
    """The product's folder below an archive."""
    product = product or Sentinel()
    folder = archive / f"{product.name}{'' if product.flat else '.SAFE'}"
    level, tile = ("L2A" if product.is_l2a else "L1C"), product.name.split("_T")[1][:5]
    granule = folder if product.flat else folder / "GRANULE" / f"{level}_T{tile}_A000001_20240601T140051"
    stem = f"T{tile}_{product.name.split('_')[2]}"
    for name, gsd_m in _files(product):
        if name in product.without:
            continue
        mask = name == CLOUDS
        images = granule if product.flat else granule / ("QI_DATA" if mask else "IMG_DATA")
        images = images / f"R{gsd_m}m" if product.is_l2a and not mask and not product.flat else images
        file = f"{'' if mask else stem + '_'}{name}{f'_{gsd_m}m' if product.is_l2a else ''}.{product.ending}"
        _write_raster(images / file, _pixels(product, name, gsd_m), gsd_m, product)
    if product.xml:
        (folder / f"MTD_MSI{level}.xml").write_text(_product_xml(product, level))
        (granule / "MTD_TL.xml").write_text(_tile_xml())
    return folder


def _files(product: Sentinel) -> list[tuple[str, int]]:
    """(name, pixel size in metres); of L2A also resampled copies, which are not to be read."""
    if not product.is_l2a:
        return [(band_id, BANDS[band_id].gsd_m) for band_id in _S2_BANDS]
    native = [(band_id, BANDS[band_id].gsd_m) for band_id in _S2_BANDS if band_id != "B10"]
    return [*native, ("SCL", 20), (CLOUDS, 20), ("B02", 20), ("B02", 60), ("SCL", 60)]


def _pixels(product: Sentinel, name: str, gsd_m: int) -> NDArray[Any]:
    side = SIDE_M // gsd_m
    native = BANDS[name].gsd_m if name in BANDS else 20
    if gsd_m != native:
        return np.full((side, side), 99, np.uint8 if name == "SCL" else np.uint16)
    if name in ("SCL", CLOUDS):
        return np.broadcast_to(np.asarray(product.scl if name == "SCL" else 7, np.uint8), (side, side))
    values = product.values.get(name, 2500) if isinstance(product.values, Mapping) else product.values
    return np.broadcast_to(np.asarray(values, np.uint16), (side, side))


def _write_raster(path: Path, pixels: NDArray[Any], gsd_m: int, product: Sentinel) -> None:
    """Lossless JPEG 2000, or COG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"driver": "COG", "compress": "deflate"}
    if path.suffix == ".jp2":
        options = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES", "BLOCKXSIZE": "64", "BLOCKYSIZE": "64"}
    shape = {"count": 1, "width": pixels.shape[1], "height": pixels.shape[0], "dtype": pixels.dtype.name}
    affine = Affine(gsd_m, 0, product.left_m, 0, -gsd_m, TOP_M)
    with rasterio.open(path, "w", crs=product.crs, transform=affine, **shape, **options) as out:
        out.write(pixels, 1)


def _product_xml(product: Sentinel, level: str) -> str:
    stated = product.name.split("_N")[1][:4]
    baseline = product.baseline or f"{stated[:2]}.{stated[2:]}"
    offsets = product.offsets if product.offsets is not None else (-1000,) * 13 if float(baseline) >= 4 else ()
    tag, quantification = (
        ("BOA_ADD_OFFSET", "BOA_QUANTIFICATION_VALUE") if level == "L2A" else ("RADIO_ADD_OFFSET", "QUANTIFICATION_VALUE")
    )
    rows = "".join(f'<{tag} band_id="{number}">{value}</{tag}>' for number, value in enumerate(offsets))
    outline = project(box(product.left_m, TOP_M - SIDE_M, product.left_m + SIDE_M, TOP_M), EPSG, 4326)
    corners = " ".join(f"{lat:.9f} {lon:.9f}" for lon, lat in outline.exterior.coords)
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-{level[1:]}_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-{level[1:]}.xsd">
<n1:General_Info><Product_Info><PRODUCT_URI>{product.uri or product.name}.SAFE</PRODUCT_URI>
<PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE></Product_Info><Product_Image_Characteristics>
<{quantification} unit="none">{product.quantification}</{quantification}><LIST>{rows}</LIST>
</Product_Image_Characteristics></n1:General_Info>
<n1:Geometric_Info><Product_Footprint><Product_Footprint><Global_Footprint><EXT_POS_LIST>{corners} </EXT_POS_LIST>
</Global_Footprint></Product_Footprint></Product_Footprint></n1:Geometric_Info>
<n1:Quality_Indicators_Info><Cloud_Coverage_Assessment>{product.cloud_pct}</Cloud_Coverage_Assessment>
</n1:Quality_Indicators_Info></n1:Level-{level[1:]}_User_Product>"""


def _tile_xml() -> str:
    return f"""<?xml version="1.0"?><n1:Tile_ID xmlns:n1="urn:tile"><n1:Geometric_Info><Tile_Geocoding>
<HORIZONTAL_CS_CODE>EPSG:{EPSG}</HORIZONTAL_CS_CODE></Tile_Geocoding><Tile_Angles>
<Viewing><ZENITH_ANGLE unit="deg">1</ZENITH_ANGLE></Viewing>
<Mean_Sun_Angle><ZENITH_ANGLE unit="deg">30.5</ZENITH_ANGLE><AZIMUTH_ANGLE unit="deg">41.25</AZIMUTH_ANGLE></Mean_Sun_Angle>
</Tile_Angles></n1:Geometric_Info></n1:Tile_ID>"""


@dataclass(frozen=True)
class Landsat:
    """A Landsat product of 30 m pixels from the corner (LEFT_M, TOP_M), in the northern zone as all Landsat scenes are."""

    name: str = OLI
    values: Mapping[str, ArrayLike] = field(default_factory=dict)
    """Digital numbers by name in files such as SR_B4 (others are 10,000)."""
    quality: ArrayLike = 21_824
    """QA_PIXEL; 21,824 is clear ground."""
    scale: str = "2.75e-05"
    product_id: str | None = None
    as_json: bool = False
    mtl: bool = True
    shift_m: int = 0
    """How far the corner lies east and south of (LEFT_M, TOP_M): 15 in the official products."""


def write_landsat(archive: Path, product: Landsat | None = None) -> Path:
    """The product's folder below an archive."""
    product = product or Landsat()
    folder = archive / product.name
    folder.mkdir(parents=True)
    side, false_northing_m = SIDE_M // 30, 10_000_000
    affine = Affine(30, 0, LEFT_M + product.shift_m, 0, -30, TOP_M - false_northing_m - product.shift_m)
    provider = "landsat-oli" if product.name.startswith("LC") else "landsat-tm"
    names = [row.providers[provider] for row in (*BANDS.values(), *LAYERS.values()) if provider in row.providers]  # type: ignore[attr-defined]
    for name in names:
        values = product.quality if name == "QA_PIXEL" else product.values.get(name, 10_000)
        native = np.broadcast_to(np.asarray(values, np.uint16), (side, side))
        nodata = 1 if name == "QA_PIXEL" else 0
        shape = {"count": 1, "width": side, "height": side, "dtype": "uint16", "nodata": nodata}
        path = folder / f"{product.name}_{name}.TIF"
        with rasterio.open(path, "w", driver="GTiff", crs=f"EPSG:{EPSG - 100}", transform=affine, **shape) as out:
            out.write(native, 1)
    if product.mtl:
        groups = _mtl(product)
        path = folder / f"{product.name}_MTL.{'json' if product.as_json else 'txt'}"
        path.write_text(json.dumps({"LANDSAT_METADATA_FILE": groups}) if product.as_json else _odl(groups))
    return folder


def _mtl(product: Landsat) -> dict[str, dict[str, Any]]:
    outline = project(box(LEFT_M, TOP_M - SIDE_M, LEFT_M + SIDE_M, TOP_M), EPSG, 4326)
    west, south, east, north = outline.bounds
    corners = {"UL": (west, north), "UR": (east, north), "LL": (west, south), "LR": (east, south)}
    date = product.name.split("_")[3]
    places = {
        f"CORNER_{name}_{axis}_PRODUCT": f"{value:.5f}"
        for name, pair in corners.items()
        for axis, value in zip(("LON", "LAT"), pair, strict=True)
    }
    return {
        "PRODUCT_CONTENTS": {"LANDSAT_PRODUCT_ID": product.product_id or product.name},
        "IMAGE_ATTRIBUTES": {
            "DATE_ACQUIRED": f"{date[:4]}-{date[4:6]}-{date[6:]}",
            "SCENE_CENTER_TIME": "13:31:02.1234567Z",
            "CLOUD_COVER": "21.12",
            "SUN_AZIMUTH": "44.5",
            "SUN_ELEVATION": "50.25",
        },
        "PROJECTION_ATTRIBUTES": places,
        "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": {"REFLECTANCE_MULT_BAND_1": product.scale, "REFLECTANCE_ADD_BAND_1": "-0.2"},
        "LEVEL1_RADIOMETRIC_RESCALING": {"REFLECTANCE_MULT_BAND_1": "2.0000E-05", "REFLECTANCE_ADD_BAND_1": "-0.100000"},
    }


def _odl(groups: Mapping[str, Mapping[str, Any]]) -> str:
    lines = ["GROUP = LANDSAT_METADATA_FILE"]
    for group, values in groups.items():
        lines += [f"  GROUP = {group}", *(f'    {key} = "{value}"' for key, value in values.items()), f"  END_GROUP = {group}"]
    return "\n".join([*lines, "END_GROUP = LANDSAT_METADATA_FILE", "END", ""])
