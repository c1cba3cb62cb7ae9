"""Whether the image has the system's libraries that the packages load; run by the installation's own Python, needs readelf.

A wheel brings most libraries along and takes some from the system. Where one of those is missing, an import fails in the image
alone: machines on which people develop tend to have it.
"""

import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path

DOCKERFILE = Path(__file__).with_name("Dockerfile")
_GLIBC = ("libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "libresolv.so.2", "librt.so.1", "libutil.so.1")
PACKAGES: Mapping[str, str] = {
    **dict.fromkeys((*_GLIBC, "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"), "libc6"),
    "libgcc_s.so.1": "libgcc-s1",
    "libstdc++.so.6": "libstdc++6",
    "libz.so.1": "zlib1g",
    "libgomp.so.1": "libgomp1",
    "libgomp.so.1.0.0": "libgomp1",
    "libexpat.so.1": "libexpat1",
}
"""Library -> package of Debian 12 that has it."""
BASE = frozenset({"libc6", "libgcc-s1", "libstdc++6", "zlib1g"})
"""Packages that every Debian 12 with apt has: apt depends on the first three, dpkg on the last."""
OPTIONAL: Mapping[str, str] = {
    "libtbb.so.12": "one of numba's three thread pools; numba takes another where it is missing",
    "libcuda.so.1": "NVIDIA's driver, which a machine with its cards lends to containers; torch does without",
}
"""Libraries that nothing fails without -> why."""
OF_CARDS = "nvidia-"
"""What packages of this prefix alone load (drivers, InfiniBand, MPI) is of machines with such cards."""


def needed() -> dict[str, set[str]]:
    """Library that comes from the system -> the packages of this environment that load it."""
    found: dict[str, set[str]] = {}
    for package in distributions():
        named = [Path(str(file.locate())) for file in package.files or () if re.search(r"\.so(\.\d+)*$", file.name)]
        paths = [path for path in named if path.is_file()]
        for path, part in zip(paths, _dynamic_sections(paths), strict=True):
            for name in _taken_from_elsewhere(path, part) - {each.name for each in paths}:
                found.setdefault(name, set()).add(package.name)
    return found


def _dynamic_sections(paths: list[Path]) -> list[str]:
    """What readelf tells of each file."""
    if not paths:
        return []
    files = [str(path) for path in (*paths, paths[0])]  # of a single file it tells no name
    command = ["env", "LC_ALL=C", "readelf", "--dynamic", "--wide", *files]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return re.split(r"^File: .*$", told, flags=re.MULTILINE)[1:-1]


def _taken_from_elsewhere(path: Path, section: str) -> set[str]:
    """Libraries that a file loads and that are in none of the folders which it names, as in those of other packages."""
    searched = ":".join(re.findall(r"\((?:RPATH|RUNPATH)\).*\[(.+)\]", section)).split(":")
    folders = [each.replace("$ORIGIN", str(path.parent)).replace("${ORIGIN}", str(path.parent)) for each in searched if each]
    names = re.findall(r"\(NEEDED\).*\[(.+)\]", section)
    return {name for name in names if not any((Path(folder) / name).exists() for folder in folders)}


def installed(dockerfile: Path = DOCKERFILE) -> set[str]:
    """Debian packages that the Dockerfile's last stage installs."""
    last_stage = dockerfile.read_text().replace("\\\n", " ").split("\nFROM ")[-1]
    named = re.findall(r"apt-get install ([^&|;\n]+)", last_stage)
    return {word for words in named for word in words.split() if not word.startswith("-")}


def missing(libraries: Mapping[str, set[str]], debian_packages: set[str]) -> list[str]:
    """What an image with these packages beside the base lacks, a line for each library."""
    loading = {
        name: {each for each in libraries[name] if not each.startswith(OF_CARDS)} for name in libraries if name not in OPTIONAL
    }
    provided = debian_packages | BASE
    lacking = {name: PACKAGES.get(name) for name, who in loading.items() if who and PACKAGES.get(name) not in provided}
    return [
        f"{name}, which {', '.join(sorted(loading[name]))} loads, is not in the image: "
        + (f"install {package}" if package else "nobody is known to have it")
        for name, package in sorted(lacking.items())
    ]


def main() -> None:
    """Fail naming libraries that the image lacks."""
    libraries = needed()
    if lacking := missing(libraries, installed()):
        sys.exit("\n".join(lacking))
    sys.stdout.write(f"The image has what packages take from the system: {', '.join(sorted(set(libraries) & set(PACKAGES)))}\n")


if __name__ == "__main__":
    main()
