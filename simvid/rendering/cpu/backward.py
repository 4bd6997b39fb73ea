"""GradientRasterizer: the cpu rasterizer with its backward pass, for fitting Gaussians to pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simvid.rendering.cpu import backward_project as cpu_backward_project
from simvid.rendering.cpu import backward_tiles as cpu_backward_tiles
from simvid.rendering.cpu.backward_layout import (
    CHANNELS_PER_PASS,
    LINE,
    MOST_LINES,
    BackwardStage,
    BackwardWorkspace,
    Given,
    Gradients,
    Lines,
    SplatGradients,
)
from simvid.rendering.cpu.layout import (
    BLOCKS,
    CHUNK,
    LANES,
    OWNER,
    TILE,
    Counts,
    Grid,
    Projected,
    Splats,
    record_stride,
)
from simvid.rendering.cpu.rasterizer import CpuRasterizer, _camera, _cloud
from simvid.rendering.raster import Raster, RasterJob

_LEAST_RECORDS = 1024
"""Fewer records than this are not worth a thread."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A picture and what it was drawn from, to be handed to ``GradientRasterizer.backward``."""

    job: RasterJob
    raster: Raster
    number: int


@dataclass(frozen=True, eq=False)
class PictureGradient:
    """Gradient of the loss by a picture, float32: features [H, W, D], alpha [H, W], expected_depth [H, W] or None.

    At pixels whose expected depth is infinite (alpha below ALPHA_MIN) the gradient by it does not count.
    """

    features: NDArray[np.float32]
    alpha: NDArray[np.float32]
    expected_depth: NDArray[np.float32] | None = None


class _Listed(NamedTuple):
    """Splats of one picture, ready to be blended."""

    grid: Grid
    projected: Projected
    segments: NDArray[np.int64]
    splats: Splats
    indices: NDArray[np.int32]


class GradientRasterizer(CpuRasterizer):
    """The cpu rasterizer with a backward pass; rules and work space as in ``CpuRasterizer``.

    Gradients pass neither through which Gaussians a pixel takes (ALPHA_MIN, ALPHA_MAX, STOP_TRANSMITTANCE, near and
    far) nor through their order, as in 3DGS (Kerbl et al. 2023). Equal arguments give equal bits, whatever the number
    of threads.
    """

    def __init__(self, threads: int | None = None) -> None:
        super().__init__(threads)
        self._number = 0
        self._listed: _Listed | None = None

    def draw(self, job: RasterJob) -> Drawn:
        """Draw a picture that gradients will be wanted for; of its labels only the expected depth can be.

        Raises:
            RenderError: the Gaussians touch too many tiles.
        """
        listed = self._list(job)
        raster = self._blend(replace(self._padded(job), owner=None), listed.grid, listed.splats)
        self._number += 1
        if not job.channels:
            raster = replace(raster, features=raster.features[..., :0])
        return Drawn(job, raster, self._number)

    def backward(self, drawn: Drawn, by: PictureGradient, out: Gradients) -> None:
        """Add the gradients of a drawn picture's Gaussians to ``out``.

        The lists of the last picture drawn are still there; those of an older one are made again.
        """
        listed = self._listed
        if listed is None or drawn.number != self._number:
            listed = self._list(drawn.job)
            self._number += 1  # what was drawn last is no longer listed
        job = drawn.job
        passes = -(-max(job.channels, 1) // CHANNELS_PER_PASS)
        totals = self._kept.array("totals", (len(job) + LANES) * passes * LINE, np.float32)
        given = self._given(drawn, by)
        edges = _bands(listed)
        for band in pairwise(edges):
            lines = self._place(listed, band)
            for p in range(passes):
                self._blend_band(job, listed, given, lines, band, p * CHANNELS_PER_PASS)
                self._add_band(listed, lines, band, passes, totals[p * LINE :])
        self._project_back(job, listed, passes, totals, out)

    def _list(self, job: RasterJob) -> _Listed:
        """Project and sort. Records carry the number of their Gaussian, which is kept apart while they are blended."""
        self._listed = None
        n = len(job)
        numbers = self._kept.array("numbers", n, np.int32)
        numbers[:] = np.arange(n, dtype=np.int32)
        numbered = replace(self._padded(job), owner=numbers)
        grid = Grid(job.width, job.height, -(-job.width // TILE), -(-job.height // TILE))
        stride = record_stride(numbered.channels)
        projected, segments, corners = self._project(numbered, grid, stride)
        starts, order = self._bin(numbered, projected, segments, corners, grid)
        splats = Splats(projected.records, projected.record_ints, stride, starts, order)
        indices = self._kept.array("indices", n + LANES, np.int32)
        owners = projected.record_ints[OWNER : (n + LANES) * stride : stride]
        indices[:] = owners
        owners[:] = 0
        self._listed = _Listed(grid, projected, segments, splats, indices)
        return self._listed

    def _padded(self, job: RasterJob) -> RasterJob:
        """The job with a channel of zeros, if it has none."""
        if job.channels:
            return job
        nothing = self._kept.array("no feature", len(job), np.float32)
        nothing[:] = 0
        return replace(job, features=nothing.reshape(-1, 1))

    def _given(self, drawn: Drawn, by: PictureGradient) -> Given:
        """The picture and its gradient, flat. A picture without channels gets one that is zero."""
        raster, none = drawn.raster, np.empty(0, np.float32)
        features, by_features = raster.features.ravel(), by.features.ravel()
        if not drawn.job.channels:
            features = by_features = self._kept.array("no channel", raster.alpha.size, np.float32)
            features[:] = 0
        expected, by_expected = none, none
        if raster.expected_depth is not None and by.expected_depth is not None:
            expected, by_expected = raster.expected_depth.ravel(), by.expected_depth.ravel()
        return Given(
            channels=max(drawn.job.channels, 1),
            features=features,
            alpha=raster.alpha.ravel(),
            expected=expected,
            by_features=by_features,
            by_alpha=by.alpha.ravel(),
            by_expected=by_expected,
        )

    def _place(self, listed: _Listed, band: tuple[int, int]) -> Lines:
        """Give every splat in a band of rows of tiles as many lines as it touches tiles there."""
        spots = self._kept.array("spots", len(listed.indices), np.int64)
        count = cpu_backward_tiles.place_lines(listed.projected, listed.segments, *band, spots)
        return Lines(spots, self._kept.array("lines", count * LINE, np.float32))

    def _blend_band(
        self, job: RasterJob, listed: _Listed, given: Given, lines: Lines, band: tuple[int, int], first: int
    ) -> None:
        """Find the gradients of all splats in a band, tile by tile, for the channels from ``first`` on."""
        grid, splats = listed.grid, listed.splats
        low, high = band[0] * grid.columns, band[1] * grid.columns
        before, entries = splats.starts[low], splats.starts[high] - splats.starts[low]
        shares = before + entries * np.arange(1, self.threads) // self.threads
        edges = [low, *np.clip(np.searchsorted(splats.starts, shares), low, high).tolist(), high]
        channels = (0.0,) * min(given.channels - first, CHANNELS_PER_PASS)
        wanted = first, channels, 0.0 if first == 0 and len(given.by_expected) else None
        plain = replace(self._padded(job), owner=None, want=frozenset())

        def body(start: int, stop: int) -> None:
            for k in range(start, stop):
                span, work = (edges[k], edges[k + 1]), self._workspace(plain, splats, k)
                mine = BackwardWorkspace(
                    self._kept.array(f"back planes {k}", BLOCKS * (5 + len(channels)) * LANES, np.float32),
                    self._kept.array(f"touched {k}", CHUNK, np.int32),
                    self._kept.array(f"places {k}", CHUNK, np.int64),
                )
                cpu_backward_tiles.blend_backward(span, grid, splats, wanted, given, lines, work, mine)

        self._workers.run(body, self.threads)

    def _add_band(
        self, listed: _Listed, lines: Lines, band: tuple[int, int], passes: int, totals: NDArray[np.float32]
    ) -> None:
        """Add up the lines of each splat."""
        fresh = band[0] == 0

        def body(start: int, stop: int) -> None:
            for span in _spans(listed.segments, start, stop):
                cpu_backward_tiles.add_lines(span, listed.projected, *band, lines, fresh, passes * LINE, totals)

        self._workers.run(body, _records(listed.segments), least=_LEAST_RECORDS)

    def _project_back(
        self, job: RasterJob, listed: _Listed, passes: int, totals: NDArray[np.float32], out: Gradients
    ) -> None:
        """From the splats to the Gaussians."""
        camera, cloud = _camera(job), _cloud(job, self._kept)
        stride = listed.splats.stride
        counts = Counts(0 if job.sh is None else job.sh.shape[1], job.features.shape[1], stride, listed.grid.columns)
        splats = SplatGradients(listed.projected.records, stride, listed.indices, totals, passes)

        def body(start: int, stop: int) -> None:
            square = LANES * LANES
            stage = BackwardStage(
                self._kept.array(f"lane numbers {start}", LANES, np.int32),
                *(
                    self._kept.array(f"{name} {start}", square, np.float32)
                    for name in ("geometry", "basis", "by_basis")
                ),
            )
            stage.by_basis[:] = 0
            for span in _spans(listed.segments, start, stop):
                cpu_backward_project.project_backward(cloud, camera, counts, span, splats, stage, out)

        self._workers.run(body, _records(listed.segments), least=_LEAST_RECORDS)


def _bands(listed: _Listed) -> list[int]:
    """Rows of tiles at which bands begin, and the last row's end; a band has MOST_LINES at most, or one row."""
    ends = listed.splats.starts[:: listed.grid.columns]
    edges = [0]
    for row in range(1, listed.grid.rows):
        if ends[row + 1] - ends[edges[-1]] > MOST_LINES:
            edges.append(row)
    return [*edges, listed.grid.rows]


def _records(segments: NDArray[np.int64]) -> int:
    """Records in all segments."""
    return int((segments[1::2] - segments[::2]).sum())


def _spans(segments: NDArray[np.int64], start: int, stop: int) -> Iterator[tuple[int, int]]:
    """First and next record of each piece of the segments, for the records with numbers ``start`` to ``stop`` - 1."""
    for begin, end in segments.reshape(-1, 2).tolist():
        first, last = begin + min(max(start, 0), end - begin), begin + min(max(stop, 0), end - begin)
        if first < last:
            yield first, last
        start, stop = start - (end - begin), stop - (end - begin)
