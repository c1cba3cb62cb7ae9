"""Importing: read, check, and publish stores and tables as versions, so that lineage tells where every patch came from.

`imported/patches@<name>|<region>|<year>` holds patches.zarr and patches.parquet, `imported/manifest@<name>|<year>` the table. All
is read and checked before the first of them is made, so a folder that is refused leaves nothing behind.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform.artifacts import Artifact, ArtifactStore, Produced, Ref, freshness, produce
from mining_platform.imports import our_packages, quantities
from mining_platform.imports.findings import Finding, PatchImportError, refuse
from mining_platform.imports.found import LEFT_OUT, Found, Request
from mining_platform.imports.layouts import LAYOUTS
from mining_platform.imports.measuring import Progress, measured, scale_of
from mining_platform.imports.published_splits import leakage_of
from mining_platform.imports.stores import write_store
from mining_platform.imports.tables import imported_table, published, store_rows
from mining_platform.manifests import validate_manifest
from mining_platform.packages.package_facts import is_package
from mining_platform.stages.files import MANIFEST_FILE
from mining_platform.store import digests, durable
from mining_platform.store.leases import lease

IMPORT_VERSION = "2"
"""Raised whenever what is made of the same files changes."""
PATCHES, MANIFEST = "imported/patches", "imported/manifest"


@dataclass(frozen=True)
class Checked:
    """A folder that can be imported: what is written."""

    table: pd.DataFrame
    """One row a patch: patch_id, region, year, store_row, dropped and what the store's index needs."""
    manifest: pd.DataFrame
    """What is published as table; row by row of `table`."""
    px: int
    pixel_m: float | None
    """Ground size of the pixels in metres; None where it is not known."""
    image: Callable[[int], NDArray[np.uint16]]
    findings: tuple[Finding, ...]
    facts: Mapping[str, Any]
    """Of the import as a whole."""


@dataclass(frozen=True)
class Imported:
    """What came of an import."""

    versions: tuple[Produced, ...]
    findings: tuple[Finding, ...]
    """Empty where nothing had changed and so nothing was looked at again."""
    patches: int


def import_patches(store: ArtifactStore, request: Request, progress: Progress) -> Imported:
    """Publish the patches of a folder; a second import of the same files and options changes nothing.

    PatchImportError says what keeps a folder from being imported; then nothing is published. Raises as `produce` too.
    """
    config = _config(request)
    read, check = _read(request, progress)
    refs = _refs(read.rows, request)
    stale = [ref for ref in refs if not _is_fresh(store, ref, refs, config)]
    findings = check().findings if stale else ()
    with _alone(store, request):
        versions = tuple(_publish(store, ref, refs, config, read, check, progress) for ref in refs)
    return Imported(versions, findings, len(read.rows))


def write_unpublished(request: Request, out: Path, progress: Progress) -> tuple[list[Path], Checked]:
    """The stores of a folder's patches in `out`, one a region and year, and their table: checked as above, published nowhere."""
    read, check = _read(request, progress)
    checked, stores = check(), []
    for (region, year), rows in checked.table.groupby(["region", "year"], sort=True):
        stores.append(out / f"{region}_{year}")
        stores[-1].mkdir(parents=True)
        _write_store(rows, read, checked, stores[-1])
    return stores, checked


def _read(request: Request, progress: Progress) -> tuple[Found, Callable[[], Checked]]:
    """What a folder holds, and what checks it, once."""
    is_ours = is_package(request.folder)
    read = our_packages.read_package(request) if is_ours else LAYOUTS[request.layout].read(request)
    _check_rows(read, request)
    return read, cache(partial(_checked_package if is_ours else _checked_folder, read, request, progress))


@contextmanager
def _alone(store: ArtifactStore, request: Request) -> Iterator[None]:
    """Keep other imports of this name out, so that tables rest on the stores of their own import."""
    folder = store.root / PATCHES.partition("/")[0]
    try:
        durable.make_directory(folder)
    except OSError as error:
        raise PatchImportError(f"The artifact store cannot be written ({error.strerror}). Mend that and import again.") from None
    with lease(folder / f"{request.name}.lease") as other:
        if other is not None:
            raise PatchImportError(f"{request.name} is being imported by {other}. Wait for it, or give another --name.")
        yield


def _config(request: Request) -> dict[str, Any]:
    """What decides the content: the files, and how they are read; not where they lie."""
    try:
        files, _ = digests.listing(request.folder)
        if odd := [name for name in files if name.encode(errors="replace") != os.fsencode(name)]:
            raise PatchImportError(f"{request.source}: the name {odd[0]!a} is not in UTF-8. Rename it.")
        content = digests.manifest_bytes(digests.entries(request.folder, files))
    except PatchImportError:
        raise
    except (OSError, ValueError) as error:
        raise PatchImportError(f"{request.source}: {error}. Copy the files themselves into the folder.") from None
    told = {name: getattr(request, name) for name in ("layout", "region", "year", "leave_out_bad_rows", "table", "pad_to_px")}
    numbers = {name: getattr(request, name) for name in ("pixel_m", "scale", "offset")}
    numbers |= {"channels": list(request.channels), "keep": sorted(request.keep)}
    return {**told, **numbers, "columns": dict(request.columns), "files": digests.digest_of(content), "source": request.source}


def _check_rows(read: Found, request: Request) -> None:
    """PatchImportError for ids that occur twice, and for regions that nothing names."""
    ids = read.rows["patch_id"]
    if twice := sorted(set(ids[ids.duplicated()])):
        raise PatchImportError(f"{request.source}: patches {twice[:5]} occur twice. Give each file a name of its own.")
    if (read.rows["region"] == "").any():
        raise PatchImportError(f"{request.source} does not tell its region. Name it with --region.")


def _refs(rows: pd.DataFrame, request: Request) -> list[Ref]:
    """Stores in order of region and year, then tables in order of year."""
    pairs = sorted({(str(region), int(year)) for region, year in zip(rows["region"], rows["year"], strict=True)})
    stores = [Ref(PATCHES, f"{request.name}|{region}|{year}") for region, year in pairs]
    return [*stores, *(Ref(MANIFEST, f"{request.name}|{year}") for year in sorted({year for _, year in pairs}))]


def _inputs(ref: Ref, refs: list[Ref]) -> list[Ref]:
    """A table rests on the stores of its year."""
    year = ref.partition.split("|")[-1]
    return [each for each in refs if ref.asset == MANIFEST and each.asset == PATCHES and each.partition.endswith(f"|{year}")]


def _is_fresh(store: ArtifactStore, ref: Ref, refs: list[Ref], config: dict[str, Any]) -> bool:
    return not freshness(store, ref, inputs=_inputs(ref, refs), code_version=IMPORT_VERSION, config=config)


def _checked_package(read: Found, request: Request, progress: Progress) -> Checked:
    """A package of this platform: whole, and its manifest as it is but for the rows of the new stores."""
    progress("verify", 0.0)
    px = our_packages.verify(request)
    assert read.manifest is not None  # as read_package gives it
    manifest = read.manifest.assign(store_row=store_rows(read.manifest))
    table = pd.DataFrame(manifest.drop(columns="geometry"))

    def image(number: int) -> NDArray[np.uint16]:
        pixels = read.image(number)
        if (found := len(pixels.values)) != len(read.channels):
            named = read.rows["image_file"][number]
            raise PatchImportError(f"{named} has {found} bands, not {len(read.channels)}. Fetch it anew.")
        return quantities.own_numbers(pixels, read.channels)

    sides_m = set(manifest["pixel_m"].tolist())
    side_m = sides_m.pop() if len(sides_m) == 1 else None
    return Checked(table, validate_manifest(manifest), px, side_m, image, read.findings, {"ours": True})


def _checked_folder(read: Found, request: Request, progress: Progress) -> Checked:
    """Patches of others: measured, and refused where something looks wrong that is not to be kept."""
    pixels = measured(read, request, progress)
    table, differences = imported_table(read, pixels)
    leaks, facts = leakage_of(table)
    findings = (*read.findings, *read.later(), *pixels.findings, *differences, *leaks)
    refuse(findings, request.keep, request.source)
    names, units = read.rows["image_file"].tolist(), pixels.patches["unit"].tolist()

    def image(number: int) -> NDArray[np.uint16]:
        scale, offset = scale_of(units[number], request)
        return quantities.stored_numbers(read.image(number), read.channels, scale, offset, names[number]).numbers

    told = {**facts, "rounding": dict(pixels.rounding), "bands_left_out": read.channels.count(LEFT_OUT)}
    return Checked(table, published(table), pixels.px, pixels.pixel_m, image, findings, told)


def _publish(
    store: ArtifactStore,
    ref: Ref,
    refs: list[Ref],
    config: dict[str, Any],
    read: Found,
    check: Callable[[], Checked],
    progress: Progress,
) -> Produced:
    def compute(_inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        progress(f"write {ref}", refs.index(ref) / len(refs))
        return (_write_patches if ref.asset == PATCHES else _write_manifest)(ref, config, read, check(), out)

    return produce(store, ref, inputs=_inputs(ref, refs), code_version=IMPORT_VERSION, config=config, compute=compute)


def _write_patches(ref: Ref, config: dict[str, Any], read: Found, checked: Checked, out: Path) -> dict[str, Any]:
    _, region, year = ref.partition.split("|")
    table = checked.table[(checked.table["region"] == region) & (checked.table["year"] == int(year))]
    return {**_write_store(table, read, checked, out), **_origin(config, checked)}


def _write_store(table: pd.DataFrame, read: Found, checked: Checked, out: Path) -> dict[str, Any]:
    told: dict[str, Any] = {"channels": read.stored_channels, "recipe": read.recipe, "px": checked.px}
    return write_store(table, checked.image, read.label, out, pixel_m=checked.pixel_m, **told)


def _write_manifest(ref: Ref, config: dict[str, Any], _read: Found, checked: Checked, out: Path) -> dict[str, Any]:
    table = checked.manifest[checked.manifest["year"] == int(ref.partition.split("|")[-1])]
    table.to_parquet(out / MANIFEST_FILE, index=False)
    counts = {
        f"by_{name}": {str(key): int(n) for key, n in sorted(table[name].value_counts().items())} for name in ("split", "range")
    }
    return {
        "patches": len(table),
        "dropped": int(table["dropped"].sum()),
        "mining": int(table["is_mining"].fillna(False).sum()),
        **counts,
        "regions": sorted(set(table["region"])),
        **_origin(config, checked),
        **checked.facts,
        "simulated": bool(table["simulated"].any()),
    }


def _origin(config: dict[str, Any], checked: Checked) -> dict[str, Any]:
    found = [finding.facts() for finding in checked.findings]
    return {"source": config["source"], "layout": config["layout"], "files": config["files"], "findings": found}
