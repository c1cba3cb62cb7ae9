"""Archives of patches: unpacked where they can do no harm, whatever they hold."""

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mining_platform.imports import unpacking
from mining_platform.imports.findings import PatchImportError
from mining_platform.imports.unpacking import opened_folder


def tarred(path: Path, *members: tarfile.TarInfo, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 3, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, target
    return info


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_folders_are_taken_as_they_are_and_archives_unpacked_for_a_while(tmp_path: Path) -> None:
    with opened_folder(tmp_path) as folder:
        assert folder == tmp_path
    for archive in (
        tarred(tmp_path / "a.tar.gz", member("set/2016/x.tif"), member("set/y.csv")),
        zipped(tmp_path / "a.zip", **{"set/2016/x.tif": b"xxx", "set/y.csv": b"xxx"}),
    ):
        with opened_folder(archive) as folder:
            assert folder.name == "set"
            assert names(folder) == {"2016/x.tif", "y.csv"}
        assert not folder.exists()


def test_a_single_folder_that_is_part_of_a_layout_stays_one(tmp_path: Path) -> None:
    with opened_folder(zipped(tmp_path / "a.zip", **{"range_000/x.png": b"x"})) as folder:
        assert names(folder) == {"range_000/x.png"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda out: tarred(out / "a.tar", member("../x"), mode="w"), r"'\.\./x', which leads out of its folder"),
        (lambda out: tarred(out / "a.tgz", member("/etc/x")), r"'/etc/x', which leads out"),
        (lambda out: tarred(out / "a.tar.gz", member("x", tarfile.SYMTYPE, 0, "/etc")), r"holds x, which is no regular file"),
        (lambda out: tarred(out / "a.tar.gz", member("x", tarfile.LNKTYPE, 0, "y")), r"holds x, which is no regular file"),
        (lambda out: tarred(out / "a.tar.gz", member("x", tarfile.FIFOTYPE, 0)), r"holds x, which is no regular file"),
        (lambda out: tarred(out / "a.tar.gz", member("x"), member("x")), r"holds x twice"),
        (lambda out: zipped(out / "a.zip", **{"a/../../x": b"x"}), r"leads out of its folder"),
        (lambda out: zipped(out / "a.zip", **{"C:/x": b"x"}), r"leads out of its folder"),
        (lambda out: linked(out / "a.zip"), r"holds x, which is no regular file"),
        (lambda out: cut(tarred(out / "a.tar.gz", member("x", size=50_000))), r"a.tar.gz is no whole archive"),
        (lambda out: cut(zipped(out / "a.zip", x=os.urandom(50_000))), r"a.zip is no whole archive"),
        (lambda out: altered(zipped(out / "a.zip", x=b"x" * 50_000), 31), r"a.zip is no whole archive \(Error -3"),
        (lambda out: tarred(out / "a.tar", member("."), mode="w"), r"'\.', which is no name of a file"),
        (lambda out: nameless(zipped(out / "a.zip", x=b"y")), r"a.zip is no whole archive"),
        (lambda out: zipped(out / "a.zip", a=b"x", **{"a/b": b"x"}), r"a.zip cannot be unpacked \(File exists\)"),
        (lambda out: zipped(out / "a.zip", **{"a" * 300: b"x"}), r"a.zip cannot be unpacked \(File name too long\)"),
        (lambda out: tarred(out / "a.tar", member("a\udcff"), mode="w"), r"'a\\udcff', which is no name of a file"),
        (lambda out: out / "nothing.zip", r"is neither a folder nor an archive"),
        (lambda _out: Path("/vsizip/a.zip"), r"is no folder on disk"),
        (lambda _out: Path("https://example.org/a.zip"), r"is neither a folder nor an archive"),
    ],
)
def test_what_could_do_harm_is_refused_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Path], message: str
) -> None:
    made = tmp_path / "made"
    made.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(made))
    with pytest.raises(PatchImportError, match=message), opened_folder(make(tmp_path)):
        pytest.fail("the archive was opened")
    assert not any(made.iterdir())


def linked(path: Path) -> Path:
    """A zip whose only member is a symbolic link."""
    info = zipfile.ZipInfo("x")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    return path


def altered(path: Path, place: int) -> Path:
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)
    return path


def nameless(path: Path) -> Path:
    """A zip whose member x has no name any more."""
    path.write_bytes(path.read_bytes().replace(b"x", b"\0"))
    return path


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-30])
    return path


def test_archives_that_unpack_to_too_much_or_too_many_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zipped(tmp_path / "bomb.zip", zeros=b"\0" * 5_000_000)
    monkeypatch.setattr(unpacking, "MAX_INFLATION", 100)
    with pytest.raises(PatchImportError, match="unpacks to more than there is room for"), opened_folder(bomb):
        pass
    monkeypatch.setattr(unpacking, "MAX_FILES", 2)
    many = zipped(tmp_path / "many.zip", a=b"1", b=b"2", c=b"3")
    with pytest.raises(PatchImportError, match="more than 2 files"), opened_folder(many):
        pass
