"""Fetches the scripts that the theme would load from a foreign host, for the site to serve itself.

npm fetches them once; they are checked against the hash of their release.
"""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """A release on the npm registry: its archive's SHA-512 in Base64, and the files to take."""

    name: str
    version: str
    sha512: str
    files: tuple[str, ...]


PACKAGES = (
    Package(  # draws the diagrams
        "mermaid",
        "12.3.0",
        "4113TdXeLAsMruJ79OpFL5O8+LTFXhQqZ260rF3tgUmiNAtRm4Uume04I+65PRN6yZ69J4f8rVYWW8zRk65UYw==",
        ("dist/mermaid.min.js", "LICENSE"),
    ),
    Package(  # lets search work on pages that are opened from the disk
        "iframe-worker",
        "1.0.4",
        "roeaaI+Lg1LJNfgpCjoRe/+WzEjy9+Z08LoEvu85MCPbBjwm+qXz8Ag5U05lHa6V1CysZyGzE0SOkAtSUA5q7Q==",
        ("shim/index.js", "LICENSE"),
    ),
)


class ScriptsError(Exception):
    """A script cannot be fetched."""


def fetch(package: Package, cache: Path) -> Path:
    """The directory below `cache` with the package's files; made if it is not there yet.

    Raises ScriptsError without npm, without a connection, and for another archive than expected.
    """
    directory = cache / f"{package.name}-{package.version}"
    if not directory.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as temporary:
            made = Path(temporary) / "made"
            unpack(package, _archive(package, Path(temporary)), made)
            made.rename(directory)
    return directory


def unpack(package: Package, archive: Path, directory: Path) -> None:
    """Take the package's files from its archive into `directory`, which is made."""
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != package.sha512:
        raise ScriptsError(
            f"{archive.name} is not the release that is expected: its hash is sha512-{found}"
        )
    directory.mkdir()
    with tarfile.open(archive) as packed:
        for name in package.files:
            source = packed.extractfile(f"package/{name}")
            assert source is not None
            with (directory / Path(name).name).open("wb") as target:
                shutil.copyfileobj(source, target)


def _archive(package: Package, directory: Path) -> Path:
    release = f"{package.name}@{package.version}"
    npm = shutil.which("npm")
    if npm is None:
        raise ScriptsError(f"npm is needed to fetch {release} for the site: install Node.js")
    command = [npm, "pack", "--silent", f"--pack-destination={directory}", release]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise ScriptsError(f"npm could not fetch {release}:\n{done.stderr.strip()}")
    return directory / f"{package.name}-{package.version}.tgz"
