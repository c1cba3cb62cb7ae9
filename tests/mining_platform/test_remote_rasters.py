import logging
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from mining_platform.sources.rasters import RasterError, read_band
from mining_platform.sources.remote import files as remote_files
from mining_platform.sources.remote import network, signing
from mining_platform.sources.remote.network import HOSTS_VARIABLE
from tests.stac_api import Fault, StacApi, query_of, stac_api, write_sparse_giant

EPSG, LEFT_M, TOP_M, SIDE_PX = 32721, 600_000, 9_300_000, 1024
PIXELS = np.random.default_rng(7).integers(1, 60_000, (SIDE_PX, SIDE_PX)).astype(np.uint16)
FILE_BYTES = 2 * SIDE_PX**2  # PIXELS do not compress
CORNER = GeoBox((200, 200), rasterio.Affine(10, 0, LEFT_M + 3000, 0, -10, TOP_M - 3000), f"EPSG:{EPSG}")
THERE = np.s_[300:500, 300:500]


@pytest.fixture(scope="module")
def cog(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("cog") / "B04.tif"
    write(path, PIXELS)
    return path.read_bytes()


def write(path: Path, pixels: np.ndarray, driver: str = "GTiff", **options: Any) -> None:
    tiles = {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate"} if driver == "GTiff" else options
    affine = rasterio.Affine(10, 0, LEFT_M, 0, -10, TOP_M)
    raster = {"count": 1, "height": pixels.shape[0], "width": pixels.shape[1], "dtype": pixels.dtype, "transform": affine}
    with rasterio.open(path, "w", driver=driver, crs=f"EPSG:{EPSG}", **raster, **tiles) as out:
        out.write(pixels, 1)


@pytest.fixture
def api(tmp_path: Path, cog: bytes, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(network, "BACKOFF_S", 0.0)
    monkeypatch.setattr(network, "_OWN", threading.local())
    monkeypatch.setattr(remote_files, "sleep", lambda _seconds: None)
    monkeypatch.setattr(remote_files, "_heads", OrderedDict())
    monkeypatch.setattr(signing, "_tokens", {})
    (tmp_path / "B04.tif").write_bytes(cog)
    with stac_api(tmp_path / "catalog.json") as server:
        monkeypatch.setenv(HOSTS_VARIABLE, server.host)
        yield server


def read(api: StacApi, name: str = "B04.tif", *, nearest: bool = True, geobox: GeoBox = CORNER) -> np.ndarray:
    return read_band(f"{api.url}/files/container/{name}", geobox, nearest=nearest)


def test_pixels_come_by_ranges_and_are_those_of_the_file(api: StacApi) -> None:
    np.testing.assert_array_equal(read(api), PIXELS[THERE])
    np.testing.assert_array_equal(read(api), PIXELS[THERE])
    assert len(api.asked) == 5  # the head once, and for each reading two rows of blocks


def test_only_the_blocks_around_the_grid_are_fetched(api: StacApi, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[int] = []
    true_fetch = remote_files._fetched
    monkeypatch.setattr(remote_files, "_fetched", lambda *args: fetched.append(args[2]) or true_fetch(*args))
    read(api)
    assert sum(fetched) < 0.2 * FILE_BYTES


def test_bilinear_and_warped_readings_are_those_of_the_file_at_hand(api: StacApi, tmp_path: Path) -> None:
    fine = GeoBox((90, 90), rasterio.Affine(7, 0, LEFT_M + 2003, 0, -7, TOP_M - 2005), f"EPSG:{EPSG}")
    abroad = GeoBox((90, 90), rasterio.Affine(1e-4, 0, -56.08, 0, -1e-4, -6.34), "EPSG:4326")
    for geobox, nearest in ((fine, False), (fine, True), (abroad, False), (abroad, True)):
        here = read_band(str(tmp_path / "B04.tif"), geobox, nearest=nearest)
        assert here.any()
        np.testing.assert_array_equal(read(api, geobox=geobox, nearest=nearest), here)


def test_a_jpeg_2000_behind_https_is_read_too(api: StacApi, tmp_path: Path) -> None:
    write(tmp_path / "B02.jp2", PIXELS[:256, :256], "JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES")
    box = GeoBox((64, 64), rasterio.Affine(10, 0, LEFT_M, 0, -10, TOP_M), f"EPSG:{EPSG}")
    np.testing.assert_array_equal(read(api, "B02.jp2", geobox=box), PIXELS[:64, :64])


def test_many_threads_read_many_files_at_once(api: StacApi, tmp_path: Path) -> None:
    names = [f"B{number:02}.tif" for number in range(24)]
    for number, name in enumerate(names):
        write(tmp_path / name, PIXELS[:256, :256] // 2 + np.uint16(number))
    box = GeoBox((200, 200), rasterio.Affine(10, 0, LEFT_M, 0, -10, TOP_M), f"EPSG:{EPSG}")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda name: read(api, name, geobox=box), names))
    for number, pixels in enumerate(found):
        np.testing.assert_array_equal(pixels, PIXELS[:200, :200] // 2 + number)


@pytest.mark.parametrize(
    "fault", [Fault("B04", 429, {"Retry-After": "0"}, times=3), Fault("B04", 500, times=2), Fault("B04", 503)]
)
def test_busy_and_broken_answers_are_survived(api: StacApi, fault: Fault) -> None:
    api.faults.append(fault)
    np.testing.assert_array_equal(read(api), PIXELS[THERE])


def test_an_answer_that_breaks_off_is_asked_for_again(api: StacApi) -> None:
    api.faults.append(Fault("B04", breaks_off=True, times=2))
    np.testing.assert_array_equal(read(api), PIXELS[THERE])


def after_the_head(api: StacApi, fault: Fault) -> None:
    """Put a fault in place once the file's head is known."""
    remote_files.RemoteFile(f"{api.url}/files/container/B04.tif")
    api.faults.append(fault)


@pytest.mark.parametrize("when", [lambda api, fault: api.faults.append(fault), after_the_head])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("B04", 404, times=99), r"is listed but missing \(HTTP 404\)\. List the scenes again"),
        (Fault("B04", 403, times=99), r"may not be read \(HTTP 403\), and needs no signature that is known"),
        (Fault("B04", 429, times=99), r"is held back by a busy service \(HTTP 429, 6 tries\)\. Run it again later"),
        (Fault("B04", 500, times=99), r"cannot be fetched \(HTTP 500\)"),
        (Fault("B04", breaks_off=True, times=99), "cannot be fetched: .*Run it again later"),
        (Fault("B04", 302, {"Location": "http://169.254.169.254/B04.tif"}, times=99), "169.254.169.254/B04.tif is refused"),
        (Fault("B04", 206, {"Content-Range": "bytes 5-6/7"}, times=99), "comes with the range '5-6/7' where"),
        (Fault("B04", 206, times=99), "comes with the range '' where"),
    ],
)
def test_a_file_that_cannot_be_fetched_is_an_error_and_never_zeros(
    api: StacApi, when: Callable[[StacApi, Fault], None], fault: Fault, message: str
) -> None:
    when(api, Fault(**{**vars(fault)}))
    with pytest.raises(RasterError, match=message):
        read(api)


def test_a_failure_is_not_remembered(api: StacApi, tmp_path: Path, cog: bytes) -> None:
    (tmp_path / "B04.tif").unlink()
    with pytest.raises(RasterError, match="is listed but missing"):
        read(api)
    (tmp_path / "B04.tif").write_bytes(cog)
    np.testing.assert_array_equal(read(api), PIXELS[THERE])


def test_a_file_that_changes_between_two_readings_is_told_and_read_anew(api: StacApi, tmp_path: Path) -> None:
    read(api)
    write(tmp_path / "B04.tif", PIXELS[::-1].copy())
    with pytest.raises(RasterError, match=r"changed while it was read \(HTTP 412\)\. Run it again"):
        read(api)
    np.testing.assert_array_equal(read(api), PIXELS[::-1][THERE])


@pytest.mark.parametrize("validator", ["weak", "modified"])
def test_a_change_that_only_a_weak_tag_or_the_time_tells_is_noticed(api: StacApi, tmp_path: Path, validator: str) -> None:
    api.validator = validator
    os.utime(tmp_path / "B04.tif", (1_700_000_000, 1_700_000_000))
    read(api)
    later = bytearray((tmp_path / "B04.tif").read_bytes())
    later[-1] ^= 1
    (tmp_path / "B04.tif").write_bytes(later)
    with pytest.raises(RasterError, match="changed while it was read"):
        read(api)
    np.testing.assert_array_equal(read(api), PIXELS[THERE])


@pytest.mark.parametrize("validator", ["strong", "modified"])
def test_a_small_file_that_changes_is_not_answered_from_memory(api: StacApi, tmp_path: Path, validator: str) -> None:
    api.validator = validator
    box = GeoBox((64, 64), rasterio.Affine(10, 0, LEFT_M, 0, -10, TOP_M), f"EPSG:{EPSG}")
    write(tmp_path / "B05.tif", np.full((64, 64), 5, np.uint16))
    os.utime(tmp_path / "B05.tif", (1_700_000_000, 1_700_000_000))
    assert (tmp_path / "B05.tif").stat().st_size < remote_files.HEAD_BYTES
    assert np.unique(read(api, "B05.tif", geobox=box)).tolist() == [5]
    write(tmp_path / "B05.tif", np.full((64, 64), 6, np.uint16))
    with pytest.raises(RasterError, match="changed while it was read"):
        read(api, "B05.tif", geobox=box)
    assert np.unique(read(api, "B05.tif", geobox=box)).tolist() == [6]


def test_nothing_is_kept_of_a_file_whose_version_nothing_tells(api: StacApi, tmp_path: Path) -> None:
    api.validator = "none"
    np.testing.assert_array_equal(read(api), PIXELS[THERE])
    write(tmp_path / "B04.tif", PIXELS[::-1].copy())
    np.testing.assert_array_equal(read(api), PIXELS[::-1][THERE])


def test_a_truncated_cog_is_refused(api: StacApi, tmp_path: Path, cog: bytes) -> None:
    (tmp_path / "B04.tif").write_bytes(cog[: len(cog) // 4])
    with pytest.raises(RasterError, match="cannot be read"):
        read(api)
    (tmp_path / "B05.tif").write_bytes(cog[:100])
    with pytest.raises(RasterError, match="cannot be read"):
        read(api, "B05.tif")
    (tmp_path / "B06.tif").write_bytes(b"")
    with pytest.raises(RasterError, match=r"is empty or shorter than it was \(HTTP 416\)"):
        read(api, "B06.tif")


def test_a_vrt_that_calls_itself_tif_reads_no_other_file(api: StacApi, tmp_path: Path) -> None:
    (tmp_path / "B05.tif").write_text(
        f'<VRTDataset rasterXSize="1024" rasterYSize="1024"><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        f"<SourceFilename>{tmp_path / 'B04.tif'}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(RasterError, match="cannot be read"):
        read(api, "B05.tif")


def test_a_file_that_declares_gigabytes_is_refused_by_its_header(api: StacApi, tmp_path: Path) -> None:
    write_sparse_giant(tmp_path / "B05.tif")
    with pytest.raises(RasterError, match=r"declares 1800000000 bytes of pixels in a file of \d+"):
        read(api, "B05.tif")
    assert len(api.asked) <= 3


def test_a_service_without_ranges_is_refused_without_reading_whole_files(api: StacApi) -> None:
    api.ignores_ranges = True
    with pytest.raises(RasterError, match=r"gives no parts of files \(HTTP 200\)\. Fetch it into a local archive"):
        read(api)


@pytest.mark.parametrize(
    "place",
    [
        *("/vsicurl/https://example.org/B04.tif", "s3://bucket/B04.tif", "file:///B04.tif", "zip:///a.zip!B04.tif"),
        *("/etc/passwd", "https://example.org/B04.vrt", "B04.vrt", "GTIFF_DIR:1:B04.tif"),
    ],
)
def test_a_place_that_is_no_raster_on_disk_or_behind_https_is_refused(place: str) -> None:
    with pytest.raises(RasterError, match=r"is no .*file on disk or behind https|cannot be read .*there is no file"):
        read_band(place, CORNER, nearest=True)


def test_a_host_that_is_not_listed_is_not_asked_for_a_raster() -> None:
    with pytest.raises(RasterError, match=r"example\.org is not among the hosts that may be reached"):
        read_band("https://example.org/B04.tif", CORNER, nearest=True)


@pytest.fixture
def signed(api: StacApi, monkeypatch: pytest.MonkeyPatch) -> StacApi:
    """The server as blob storage with its token service."""
    monkeypatch.setattr(signing, "BLOB_HOST", re.compile(r"(127)\.0\.0\.1"))
    monkeypatch.setattr(signing, "TOKEN_URL", f"{api.url}/token")
    api.token = "se=2024&sig=first-secret"
    return api


def tokens_asked(api: StacApi) -> list[str]:
    return [line for line in api.asked if "/token/" in line]


def test_blob_addresses_are_signed_when_they_are_read_with_one_token_for_all(signed: StacApi) -> None:
    with ThreadPoolExecutor(4) as pool:
        for pixels in pool.map(lambda _: read(signed), range(8)):
            np.testing.assert_array_equal(pixels, PIXELS[THERE])
    assert tokens_asked(signed) == ["GET /token/127/files"]
    assert {query_of(line)["sig"][0] for line in signed.asked if "/files/" in line} == {"first-secret"}


def test_a_refused_token_is_renewed_once_in_mid_file(signed: StacApi) -> None:
    read(signed)
    signed.token = "se=2025&sig=second-secret"
    np.testing.assert_array_equal(read(signed), PIXELS[THERE])
    assert len(tokens_asked(signed)) == 2


def test_a_token_near_its_end_is_renewed_before_it_is_used(signed: StacApi) -> None:
    signed.token_lifetime = timedelta(seconds=30)
    read(signed)
    assert len(tokens_asked(signed)) == len(signed.files_asked())


def test_a_file_that_stays_forbidden_is_an_error_without_the_token(signed: StacApi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    signed.faults.append(Fault("B04", 403, times=99))
    with pytest.raises(RasterError, match=r"may not be read \(HTTP 403\), although its signature is new") as caught:
        read(signed)
    assert len(tokens_asked(signed)) == 2
    assert "secret" not in str(caught.value) + caplog.text


def test_lost_connections_leave_no_token_in_errors_or_logs(signed: StacApi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    signed.faults.append(Fault("B04", breaks_off=True, times=99))
    with pytest.raises(RasterError, match="cannot be fetched") as caught:
        read(signed)
    assert "secret" not in str(caught.value) + caplog.text


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("/token", 500, times=99), "no signature from http://127.*/token/127/files: it answers HTTP 500"),
        (Fault("/token", 200, body=b'{"token": 5}'), "its answer is no token"),
        (Fault("/token", 200, body=b"<html>"), "its answer is no token"),
    ],
)
def test_a_token_service_that_fails_is_an_error(signed: StacApi, fault: Fault, message: str) -> None:
    signed.faults.append(fault)
    with pytest.raises(RasterError, match=message):
        read(signed)


def test_the_hosts_of_the_planetary_computer_are_those_that_are_signed() -> None:
    url = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/13/T/B04.tif"
    assert signing._blob(url) == ("sentinel2l2a01", "sentinel2-l2")
    for other in ("https://sentinel-cogs.s3.us-west-2.amazonaws.com/a/B04.tif", "https://x.blob.core.windows.net.evil.org/a/b"):
        assert signing.signed(other) == other
