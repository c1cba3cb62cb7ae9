"""What the XML files of a Sentinel-2 product state (Sentinel-2 Products Specification Document, annexes of the metadata)."""

from dataclasses import dataclass
from xml.etree import ElementTree

from shapely import make_valid
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from mining_platform import bands
from mining_platform.sources.archives.folders import FolderError
from mining_platform.xml_documents import XmlError, parsed_xml

QUANTIFICATION = round(1 / bands.S2_SCALE)
_FETCH = "Fetch the product anew."
_LEAST_CORNERS = 3


@dataclass(frozen=True)
class ProductMetadata:
    """MTD_MSIL1C.xml or MTD_MSIL2A.xml."""

    name: str | None
    """Name of the product with `.SAFE`, where it is stated."""
    baseline: float
    offset_dn: int
    """To add to digital numbers: 0 or bands.S2_OFFSET_DN."""
    cloud_pct: float
    footprint: BaseGeometry
    """EPSG:4326."""


@dataclass(frozen=True)
class TileMetadata:
    """MTD_TL.xml."""

    epsg: int
    sun_azimuth_deg: float
    sun_elevation_deg: float


def product_metadata(content: bytes, place: str) -> ProductMetadata:
    """Of an MTD_MSI*.xml; FolderError naming `place` where something is missing or contradicts itself."""
    tree = _tree(content, place)
    baseline = _number(tree, place, "PROCESSING_BASELINE")
    quantification = _number(tree, place, "BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE")
    if quantification != QUANTIFICATION:
        raise FolderError(f"{place}: reflectance is in {quantification:g} parts, not {QUANTIFICATION}. {_FETCH}")
    offset_dn = _offset_dn(tree, place)
    if (offset_dn != 0) != (baseline >= bands.S2_OFFSET_BASELINE):
        problem = f"baseline {baseline:05.2f} contradicts the offsets ({offset_dn})"
        raise FolderError(f"{place}: {problem}; they come with {bands.S2_OFFSET_BASELINE:05.2f}. {_FETCH}")
    cloud_pct = _number(tree, place, "Cloud_Coverage_Assessment", "CLOUD_COVERAGE_ASSESSMENT")
    names = _texts(tree, "PRODUCT_URI", "PRODUCT_URI_2A")
    return ProductMetadata(names[0] if names else None, baseline, offset_dn, cloud_pct, _footprint(tree, place))


def tile_metadata(content: bytes, place: str) -> TileMetadata:
    """Of an MTD_TL.xml; FolderError naming `place` where something is missing."""
    tree = _tree(content, place)
    mean = tree.find(".//{*}Mean_Sun_Angle")
    code = _texts(tree, "HORIZONTAL_CS_CODE")
    if mean is None or not code or not code[0].removeprefix("EPSG:").isdecimal():
        raise FolderError(f"{place} states no sun angle or no EPSG code. {_FETCH}")
    zenith = _number(mean, place, "ZENITH_ANGLE")
    return TileMetadata(int(code[0].removeprefix("EPSG:")), _number(mean, place, "AZIMUTH_ANGLE"), 90 - zenith)


def _tree(content: bytes, place: str) -> ElementTree.Element:
    try:
        return parsed_xml(content)
    except XmlError as error:
        raise FolderError(f"{place} is no XML of a product ({error}). {_FETCH}") from None


def _texts(tree: ElementTree.Element, *names: str) -> list[str]:
    """Texts of all elements with the first of the names that occurs, whatever their namespace."""
    for name in names:
        if found := [(element.text or "").strip() for element in tree.iterfind(f".//{{*}}{name}")]:
            return found
    return []


def _number(tree: ElementTree.Element, place: str, *names: str) -> float:
    found = _texts(tree, *names)
    try:
        return float(found[0])
    except (IndexError, ValueError):
        raise FolderError(f"{place} states no {names[0]}. {_FETCH}") from None


def _offset_dn(tree: ElementTree.Element, place: str) -> int:
    """The offset that all bands share; 0 where none is stated."""
    stated = set(_texts(tree, "BOA_ADD_OFFSET", "RADIO_ADD_OFFSET"))
    if not stated <= {"0", str(bands.S2_OFFSET_DN)} or len(stated) > 1:
        problem = f"offsets of the bands are {', '.join(sorted(stated))}"
        raise FolderError(f"{place}: {problem}, not all 0 or all {bands.S2_OFFSET_DN}. {_FETCH}")
    return int(stated.pop()) if stated else 0


def _footprint(tree: ElementTree.Element, place: str) -> BaseGeometry:
    """Outline from pairs of latitude and longitude."""
    stated = _texts(tree, "EXT_POS_LIST")
    try:
        numbers = [float(text) for text in stated[0].split()]
        corners = list(zip(numbers[1::2], numbers[::2], strict=True))
    except (IndexError, ValueError):
        corners = []
    if len(corners) < _LEAST_CORNERS:
        raise FolderError(f"{place} states no footprint of latitudes and longitudes. {_FETCH}")
    outline = Polygon(corners)
    return outline if outline.is_valid else make_valid(outline)
