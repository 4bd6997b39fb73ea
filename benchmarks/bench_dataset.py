"""Frames per second that ``simvid.dataset`` gives at 256 x 256: each tier for itself, on as many cores as there are.

The files are written just before and lie in the page cache: what is measured is reading and copying, not the disk. The
rival is ``numpy.load`` of whole files, frame for frame the same bytes, in the same run.

    python benchmarks/run.py --only dataset
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from simvid import dataset
from simvid.clips.arrays import ArrayWriter
from simvid.refining.pairs import write_pair

SIZE, LENGTH, WINDOW = 256, 16, 8
NEED_FPS = 2000.0


def smooth(rng: np.random.Generator, *shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Pictures that vary slowly, so that deflating them is as hard as for real ones, about."""
    coarse = rng.random((*shape[:1], 17, 17, *shape[3:]), np.float32)
    big = np.repeat(np.repeat(coarse, 16, axis=1), 16, axis=2)[:, :SIZE, :SIZE]
    return (big + rng.normal(0, 0.01, big.shape)).astype(np.float32)


def make_pairs(folder: Path, clips: int) -> None:
    rng = np.random.default_rng(0)
    for k in range(clips):
        color = (LENGTH, SIZE, SIZE, 3)
        pictures = [np.clip(smooth(rng, *color) * 255, 0, 255).astype(np.uint8) for _ in range(2)]
        labels = {
            "depth": 1 + smooth(rng, LENGTH, SIZE, SIZE),
            "normals": smooth(rng, *color) * 2 - 1,
            "flow_backward": smooth(rng, LENGTH, SIZE, SIZE, 2),
            "occluded_backward": np.zeros((LENGTH, SIZE, SIZE), np.bool_),
            "albedo": smooth(rng, *color),
            "roughness": smooth(rng, LENGTH, SIZE, SIZE),
        }
        write_pair(
            folder / f"pair_{k:04d}", *pictures, labels, name=f"pair_{k:04d}", family=f"family_{k % 4}", fps=24.0
        )


def rate(make: Callable[[], Iterator[int]]) -> float:
    """Frames per second: the best of two passes after one to warm up."""
    best = 0.0
    for k in range(3):
        started = time.perf_counter()
        frames = sum(make())
        seconds = time.perf_counter() - started
        best = max(best, frames / seconds) if k else best
    return best


def measure(frames: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "pairs"
        folder.mkdir()
        make_pairs(folder, max(frames // LENGTH, 1))
        data = dataset.open(folder)

        def stream(arrays: tuple[str, ...] | None, decode: bool) -> Iterator[int]:
            for sample in data.stream(WINDOW, arrays=arrays, decode=decode, shuffle=0):
                yield len(sample.arrays["coarse"])

        def whole() -> Iterator[int]:
            for path in sorted(folder.iterdir()):
                pair = [np.load(path / f"{name}.npy") for name in ("coarse", "target")]
                yield len(pair[0])

        def loader() -> Iterator[int]:
            yield from iter_torch(data)

        deflated = Path(place) / "deflated.npz"
        writer = ArrayWriter(deflated)
        for t in range(LENGTH):
            writer.append(data.sources[0].stored("coarse", slice(t, t + 1))[0])
        writer.close()

        def inflate() -> Iterator[int]:
            from simvid.clips.arrays import ArrayFile

            for _ in range(8):
                yield len(ArrayFile(deflated).stack())

        return {
            "mapped, coarse and target": rate(lambda: stream(("coarse", "target"), False)),
            "mapped, every array as stored": rate(lambda: stream(None, False)),
            "mapped, every array decoded to float32": rate(lambda: stream(None, True)),
            "mapped, coarse and target, torch loader with 2 workers": rate(loader),
            "rival: numpy.load of whole coarse and target": rate(whole),
            "clip (deflated), coarse alone": rate(inflate),
        }


def iter_torch(data: dataset.DataSet) -> Iterator[int]:
    import torch

    windows = data.torch(WINDOW, arrays=("coarse", "target"), decode=False)
    for batch in torch.utils.data.DataLoader(windows, batch_size=4, num_workers=2):
        yield int(batch["coarse"].shape[0] * batch["coarse"].shape[1])


HEADER = ("tier, 256 x 256, files in the page cache", "frames/s", "asked for")


def run(*, quick: bool) -> dict[str, float]:
    """Tier -> frames per second."""
    return measure(2 * LENGTH if quick else 512)


def rows(result: dict[str, float]) -> list[tuple[str, str, str]]:
    """For the table."""
    needs = {"mapped, coarse and target": f"{NEED_FPS:.0f}"}
    return [(name, f"{value:.0f}", needs.get(name, "")) for name, value in result.items()]


if __name__ == "__main__":
    for row in rows(run(quick=False)):
        print("{:<60} {:>9} {:>9}".format(*row))
