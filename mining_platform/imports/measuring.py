"""One pass over the images and labels of a folder before anything is written: sizes, kinds, doubles, and what looks wrong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from affine import Affine
from blake3 import blake3
from numpy.typing import NDArray
from odc.geo.crs import CRS

from mining_platform import bands
from mining_platform.imports import findings, quantities
from mining_platform.imports.findings import Finding, PatchImportError, found, named
from mining_platform.imports.found import Found, Pixels, Request
from mining_platform.labels.recipes import NO_LABEL

Progress = Callable[[str, float], None]
RADAR_LINEAR_DB = 0.0  # gamma nought of land is a few per cent: in dB nearly all of it is below 0, in linear power none


@dataclass(frozen=True)
class Measured:
    """What the pixels of a folder are."""

    patches: pd.DataFrame
    """Row by row of `Found.rows`: digest (blake3 of the pixels), unit, masked_share, mining_px, valid_px, pixels, simulated,
    epsg, minx, miny, maxx, maxy (NaN without place)."""
    px: int
    """Side of the stored patches."""
    pixel_m: float | None
    """Ground size of the pixels in metres; None where nothing tells it, or patches differ in it."""
    rounding: Mapping[str, float]
    """Largest difference between a value and what is stored of it, by unit."""
    findings: tuple[Finding, ...]


def measured(read: Found, request: Request, progress: Progress) -> Measured:
    """Read every image and label once; PatchImportError for what can never be stored, naming files."""
    shapes, dtypes, orders, rows = {}, {}, {}, []
    doubtful: dict[str, list[str]] = {"nan": [], findings.CONSTANT: [], findings.NONPOSITIVE: [], "linear": []}
    for number, row in enumerate(read.rows.itertuples(index=False)):
        progress("read", number / len(read.rows))
        pixels, label, name = read.image(number), read.label(number), str(row.image_file)
        shapes[name], dtypes[name] = pixels.values.shape, pixels.values.dtype.name
        if len(pixels.values) != len(read.channels):
            continue  # refused below, with all others like it
        if label is not None and label.shape != pixels.values.shape[1:]:
            raise PatchImportError(
                f"{row.label_file} has {label.shape} pixels, {name} {pixels.values.shape[1:]}. Cut them alike."
            )
        for kind in _doubts(pixels, read, request):
            doubtful[kind].append(name)
        if set(pixels.descriptions) <= bands.BANDS.keys():
            orders[name] = pixels.descriptions
        rows.append(_patch(pixels, label, read, request, name))
    _refuse_shapes(shapes, read, request)
    _refuse(
        doubtful["nan"] if not read.nan_is_nodata else [],
        "hold values that are no numbers (NaN or infinite); declare them as nodata",
    )
    if len(set(orders.values())) > 1:
        raise PatchImportError(f"Images that name their bands in different orders: {_by(orders)}. Write all bands in one order.")
    if read.one_dtype and len(set(dtypes.values())) > 1:
        raise PatchImportError(f"Images of different types: {_by(dtypes)}. Write all as one type, such as float32.")
    patches = pd.DataFrame(rows, columns=_COLUMNS)
    told = (*_constant(doubtful), *_duplicates(read, patches), *_units(read, request, patches), *_linear(doubtful, read))
    rounding = {unit: max(each.get(unit, 0.0) for each in patches["rounding"]) for each in patches["rounding"] for unit in each}
    px = request.pad_to_px or next(iter(shapes.values()))[1]
    ground = _pixel_m(patches["pixel_m"], read, request)
    return Measured(patches.drop(columns=["rounding", "pixel_m"]), px, ground, rounding, told)


_COLUMNS = [
    "digest",
    "unit",
    "masked_share",
    "mining_px",
    "valid_px",
    "pixels",
    "simulated",
    "rounding",
    "epsg",
    "minx",
    "miny",
    "maxx",
    "maxy",
    "pixel_m",
]


def _patch(pixels: Pixels, label: NDArray[np.uint8] | None, read: Found, request: Request, name: str) -> tuple[object, ...]:
    unit = _unit(pixels, read, request)
    stored = quantities.stored_numbers(pixels, read.channels, *scale_of(unit, request), name)
    numbers = stored.numbers
    masked = float((numbers == 0).all(axis=0).mean())
    mining = 0 if label is None else int((label == 1).sum())
    valid = 0 if label is None else int((label != NO_LABEL).sum())
    digest = blake3(f"{pixels.values.shape}{pixels.values.dtype}".encode() + np.ascontiguousarray(pixels.values).tobytes())
    size = pixels.values.shape[1] * pixels.values.shape[2]
    return (digest.hexdigest(), unit, masked, mining, valid, size, pixels.simulated, stored.rounding, *_bounds(pixels))


def scale_of(unit: str, request: Request) -> tuple[float, float]:
    """Scale and offset that make reflectance of a file's values."""
    if request.scale is not None:
        return request.scale, request.offset
    return quantities.SCALES.get(unit, bands.S2_SCALE), 0.0


def _reflectances(pixels: Pixels, read: Found) -> NDArray[np.generic]:
    """Valid values of the reflectance channels, (n,)."""
    numbers = [number for number, channel in enumerate(read.channels) if quantities.is_reflectance(channel)]
    values = pixels.values[numbers]
    return values[pixels.valid[numbers] & np.isfinite(values)]


def _unit(pixels: Pixels, read: Found, request: Request) -> str:
    if request.scale is not None:
        return f"{request.scale:g} x value {request.offset:+g}"
    if not any(map(quantities.is_reflectance, read.channels)):
        return ""
    return quantities.unit_of(_reflectances(pixels, read))


def _doubts(pixels: Pixels, read: Found, request: Request) -> list[str]:
    """What looks wrong in an image on its own."""
    values, told = _reflectances(pixels, read), []
    if request.scale is not None:
        values = values.astype(np.float64) * request.scale + request.offset
    if pixels.values.dtype.kind == "f" and bool((~np.isfinite(pixels.values) & pixels.valid).any()):
        told.append("nan")
    if pixels.valid.any() and all(_is_even(band[valid]) for band, valid in zip(pixels.values, pixels.valid, strict=True)):
        told.append(findings.CONSTANT)
    if values.size and values.min() <= 0:
        told.append(findings.NONPOSITIVE)
    radar = [number for number, channel in enumerate(read.channels) if channel.startswith("S1-")]
    if radar and bool((pixels.values[radar][pixels.valid[radar]] >= RADAR_LINEAR_DB).all()):
        told.append("linear")
    return told


def _is_even(values: NDArray[np.generic]) -> bool:
    return not values.size or bool((values == values[0]).all())


def _bounds(pixels: Pixels) -> tuple[int, float, float, float, float, float]:
    if pixels.transform is None:
        return (0, np.nan, np.nan, np.nan, np.nan, np.nan)
    height, width = pixels.values.shape[1:]
    corners = [pixels.transform * (x, y) for x in (0, width) for y in (0, height)]
    xs, ys = zip(*corners, strict=True)
    return (pixels.epsg, min(xs), min(ys), max(xs), max(ys), _side_m(pixels.epsg, pixels.transform))


def _side_m(epsg: int, transform: Affine) -> float:
    """Side of a pixel to the millimetre; NaN where pixels are no squares in metres."""
    crs = CRS(f"EPSG:{epsg}")
    is_metric = crs.projected and all(axis.unit_conversion_factor == 1 for axis in crs.proj.axis_info)
    across, down = round(transform.a, 3), round(-transform.e, 3)
    return across if is_metric and across == down else np.nan


def _pixel_m(sides_m: pd.Series, read: Found, request: Request) -> float | None:
    """Ground size that all patches have, or that is asked for; PatchImportError where files say another one."""
    told = sides_m.notna()
    if request.pixel_m is not None and (wrong := told & (sides_m != request.pixel_m)).any():
        name, side_m = read.rows["image_file"][wrong].iloc[0], sides_m[wrong].iloc[0]
        raise PatchImportError(f"{name} has pixels of {side_m:g} m, not of {request.pixel_m:g} m. Leave --pixel-m out.")
    known = set(sides_m.where(told, request.pixel_m).dropna())
    if len(known) != 1 or not (told.all() or request.pixel_m is not None):
        return None
    (side_m,) = known
    return int(side_m) if float(side_m).is_integer() else float(side_m)


def _refuse_shapes(shapes: dict[str, tuple[int, ...]], read: Found, request: Request) -> None:
    """PatchImportError where the images do not go into one array (sample, band, y, x) of squares."""
    wrong = {name: shape for name, shape in shapes.items() if shape[0] != len(read.channels)}
    if wrong:
        raise PatchImportError(f"Images of other than {len(read.channels)} bands: {_by(wrong)}. Give all the same bands.")
    sides = {name: (shape[1], shape[2]) for name, shape in shapes.items()}
    remedy = "Cut them to one size, or fill them up with nodata by --pad-to"
    if request.pad_to_px is not None:
        large = {name: side for name, side in sides.items() if max(side) > request.pad_to_px}
        if large:
            raise PatchImportError(f"Images larger than {request.pad_to_px} px: {_by(large)}. Choose a larger --pad-to.")
    elif len(set(sides.values())) > 1:
        raise PatchImportError(f"Images of different sizes (rows, columns): {_by(sides)}. {remedy}.")
    elif (side := next(iter(sides.values())))[0] != side[1]:
        raise PatchImportError(
            f"Images of {side[0]} rows and {side[1]} columns are not square: {named(sorted(sides))}. {remedy}."
        )


def _by(values: Mapping[str, object]) -> str:
    """Each value with some of the files that have it, the rarest first."""
    groups: dict[object, list[str]] = {}
    for name, value in values.items():
        groups.setdefault(value, []).append(name)
    ordered = sorted(groups.items(), key=lambda each: (len(each[1]), str(each[0])))
    return "; ".join(f"{value} in {len(names)} ({named(sorted(names))})" for value, names in ordered[: findings.NAMED])


def _refuse(names: list[str], problem: str) -> None:
    if names:
        raise PatchImportError(f"{len(names)} images {problem}: {named(sorted(names))}.")


def _constant(doubtful: dict[str, list[str]]) -> tuple[Finding, ...]:
    return (
        *found(findings.CONSTANT, "images have one value in each band", doubtful[findings.CONSTANT]),
        *found(findings.NONPOSITIVE, "images have reflectance of 0 or less", doubtful[findings.NONPOSITIVE]),
    )


def _duplicates(read: Found, patches: pd.DataFrame) -> tuple[Finding, ...]:
    twice = patches["digest"].duplicated(keep=False)
    return found(findings.DUPLICATES, "images have exactly the pixels of another", read.rows["image_file"][twice])


def _units(read: Found, request: Request, patches: pd.DataFrame) -> tuple[Finding, ...]:
    """Files of another unit than most; PatchImportError where a unit is not known."""
    if request.scale is not None or not any(map(quantities.is_reflectance, read.channels)):
        return ()
    unit, names = patches["unit"], read.rows["image_file"]
    unknown = names[(unit == quantities.UNKNOWN) & (patches["masked_share"] < 1)]
    if len(unknown):
        raise PatchImportError(
            f"{len(unknown)} images hold neither reflectance (0 to 1) nor reflectance x 10,000: {named(sorted(unknown))}. Say "
            "how reflectance is made of the values with --scale and --offset (Landsat Collection 2: 2.75e-5 and -0.2), or that "
            "they are 8-bit pictures with --channels rgb-display."
        )
    known = unit[unit != quantities.UNKNOWN]
    if known.nunique() < 2:  # noqa: PLR2004 - units
        return ()
    usual = known.value_counts(sort=True).index[0]
    rare = (unit != usual) & (unit != quantities.UNKNOWN)
    return found(findings.UNITS, f"images hold values from {unit[rare].iloc[0]}, the others from {usual}", names[rare])


def _linear(doubtful: dict[str, list[str]], read: Found) -> tuple[Finding, ...]:
    """Radar without a single negative value in any image is linear power."""
    if len(doubtful["linear"]) < len(read.rows):
        return ()
    text = "images have Sentinel-1 values of 0 and more only, as linear power has and dB have not"
    return found(findings.UNITS, text, doubtful["linear"])
