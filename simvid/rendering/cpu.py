"""CpuRasterizer: the fast rasterizer. Sixteen pixels at a time, tile by tile, on as many threads as asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.errors import RenderError
from simvid.rendering import cpu_blend, cpu_project, cpu_tiles
from simvid.rendering.cpu_layout import (
    BLOCKS,
    CHUNK,
    MAX_CHANNELS,
    MAX_ENTRIES,
    TILE,
    Bins,
    Camera,
    Cloud,
    Counts,
    Grid,
    Picture,
    Projected,
    Splats,
    Stage,
    Workspace,
    record_stride,
)
from simvid.rendering.raster import Raster, RasterJob, checked_job
from simvid.rendering.simd import LANES
from simvid.rendering.threads import Workers


class CpuRasterizer:
    """Rasterizer on the processor; see ``Rasterizer`` for the arguments and ``raster`` for the rules.

    Equal arguments give equal bits, whatever the number of threads. Work space is kept from call to call, so one
    instance serves one caller at a time.

    Args:
        threads: threads to use; None: as many as there are cores.
    """

    def __init__(self, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise RenderError(f"CpuRasterizer: threads: expected 1 or more, got {threads}")
        self._workers = Workers(threads)
        self._kept = _Kept()

    @property
    def threads(self) -> int:
        """Threads in use."""
        return self._workers.threads

    def rasterize(  # noqa: PLR0913  the arguments of gsplat's rasterization(), under its names
        self,
        means: NDArray[np.float32],
        quats: NDArray[np.float32],
        scales: NDArray[np.float32],
        opacities: NDArray[np.float32],
        features: NDArray[np.float32] | None = None,
        *,
        viewmat: NDArray[np.float64],
        K: NDArray[np.float64],
        width: int,
        height: int,
        sh: NDArray[np.float32] | None = None,
        sh_rotations: NDArray[np.float64] | None = None,
        owner: NDArray[np.int32] | None = None,
        near_m: float = 0.01,
        far_m: float = 1e6,
        eps2d: float = 0.3,
        want: frozenset[str] = frozenset(),
    ) -> Raster:
        """As ``Rasterizer.rasterize``."""
        job = checked_job(
            means=means, quats=quats, scales=scales, opacities=opacities, features=features, viewmat=viewmat, K=K,
            width=width, height=height, sh=sh, sh_rotations=sh_rotations, owner=owner, near_m=near_m, far_m=far_m,
            eps2d=eps2d, want=want,
        )  # fmt: skip
        grid = Grid(job.width, job.height, -(-job.width // TILE), -(-job.height // TILE))
        stride = record_stride(job.channels)
        projected, segments, corners = self._project(job, grid, stride)
        bins = self._bin(job, projected, segments, corners, grid)
        splats = Splats(projected.records, projected.record_ints, stride)
        return self._blend(job, grid, splats, bins)

    def _project(self, job: RasterJob, grid: Grid, stride: int) -> tuple[Projected, NDArray[np.int64], Any]:
        """Project in pieces; each piece writes its records where its Gaussians start."""
        n = len(job)
        records = self._kept.array("records", (n + LANES + 1) * stride, np.float32)
        out = Projected(
            records,
            records.view(np.int32),
            self._kept.array("keys", n + LANES, np.int32),
            self._kept.array("rects", n + LANES, np.int64),
        )
        counts = Counts(0 if job.sh is None else job.sh.shape[1], job.features.shape[1], stride, grid.columns)
        camera, cloud = _camera(job), _cloud(job, self._kept)
        whole = n // LANES
        pieces = max(1, min(self.threads, whole // 64))
        edges = [whole * k // pieces * LANES for k in range(pieces + 1)]
        corners = self._kept.array("corners", pieces * (grid.columns + 1) * (grid.rows + 1), np.int32)
        corners[:] = 0
        per_piece = corners.reshape(pieces, -1)
        segments = np.zeros(2 * (pieces + 1), np.int64)

        def body(first: int, last: int) -> None:
            for k in range(first, last):
                start = edges[k]
                stage = self._stage(k)
                end = cpu_project.project(cloud, camera, counts, start, edges[k + 1], start, out, per_piece[k], stage)
                segments[2 * k : 2 * k + 2] = start, end

        self._workers.run(body, pieces)
        # the last n % 16 Gaussians, padded with transparent ones, follow where the last piece ended
        tail, begin = _tail(cloud, n), int(segments[2 * pieces - 1])
        end = cpu_project.project(tail, camera, counts, 0, LANES, begin, out, per_piece[-1], self._stage(0))
        segments[2 * pieces :] = begin, end
        return out, segments, corners

    def _stage(self, piece: int) -> Stage:
        basis = self._kept.array(f"basis {piece}", LANES * LANES, np.float32)
        return Stage(basis, self._kept.array(f"ints {piece}", 3 * LANES, np.int32))

    def _bin(
        self, job: RasterJob, projected: Projected, segments: NDArray[np.int64], corners: Any, grid: Grid
    ) -> Bins:
        """Sort by depth and list the splats of every tile; threads share the rows of tiles."""
        n, tiles = len(job) + LANES, grid.columns * grid.rows
        starts = self._kept.array("starts", tiles + 1, np.int64)
        cursors = self._kept.array("cursors", tiles + cpu_tiles.SPARE_CURSORS * grid.rows, np.int64)
        pieces = len(corners) // ((grid.columns + 1) * (grid.rows + 1))
        entries = cpu_tiles.start_tiles(corners, pieces, grid, starts, cursors)
        if entries > MAX_ENTRIES:
            raise RenderError(
                f"rasterize: {len(job)} Gaussians at {job.width} x {job.height} px touch 16-px tiles {entries} times, "
                f"more than {MAX_ENTRIES}; lower the resolution or the number or size of the Gaussians"
            )
        result = self._kept.array("sorted", n, np.int64)
        histogram = self._kept.array("histogram", 3 * 2048, np.int64)
        histogram[:] = 0
        visible = cpu_tiles.sort_by_depth(
            projected, segments, self._kept.array("unsorted", n, np.int64), result, histogram
        )
        order = self._kept.array("order", entries + 2 * LANES, np.int32)
        order[entries:] = 0  # read past the end, but never drawn

        def body(first: int, last: int) -> None:
            cpu_tiles.fill_tiles(result, visible, projected.rects, first, last, grid, cursors, order)

        self._workers.run(body, grid.rows)
        return Bins(starts, order)

    def _blend(self, job: RasterJob, grid: Grid, splats: Splats, bins: Bins) -> Raster:
        """Blend all tiles; threads get runs of tiles with equally many entries."""
        w, h, d = job.width, job.height, job.channels
        labels = 0.0 if job.want else None
        pixels = w * h
        sizes = [pixels * d, pixels, pixels if job.want else 0]
        features, alpha, expected, median = (np.empty(s, np.float32) for s in (*sizes, sizes[2]))
        ids = np.empty(sizes[2], np.int32)
        picture = Picture(d, features, alpha, expected, median, ids)
        tiles = grid.columns * grid.rows
        share = bins.starts[tiles] // self.threads + 1
        edges = np.searchsorted(bins.starts[: tiles + 1], share * np.arange(self.threads + 1))
        edges[0], edges[-1] = 0, tiles

        def body(first: int, last: int) -> None:
            for k in range(first, last):
                work = self._workspace(job, bins, k)
                for c in range(0, max(d, 1), MAX_CHANNELS):
                    channels = (0.0,) * min(d - c, MAX_CHANNELS)
                    wanted = labels if c == 0 else None
                    cpu_blend.blend(edges[k], edges[k + 1], grid, splats, bins, c, channels, wanted, picture, work)

        self._workers.run(body, self.threads)
        return Raster(
            features.reshape(h, w, d),
            alpha.reshape(h, w),
            expected.reshape(h, w) if "expected_depth" in job.want else None,
            median.reshape(h, w) if "median_depth" in job.want else None,
            ids.reshape(h, w) if "ids" in job.want else None,
        )

    def _workspace(self, job: RasterJob, bins: Bins, k: int) -> Workspace:
        """One thread's work space."""
        owners = 1 if job.owner is None or not len(job) else int(job.owner.max()) + 1
        slots = min(owners, int(np.diff(bins.starts).max())) if job.want else 0
        channels = min(job.channels, MAX_CHANNELS)
        f, i = np.float32, np.int32
        local = self._kept.array(f"local {k}", (8 + channels) * cpu_blend.PITCH, f)
        rows = self._kept.array(f"rows {k}", 2 * TILE * (CHUNK + 1), f)
        cpu_blend.set_nothing(local, rows)
        bits = self._kept.array(f"bits {k}", BLOCKS * CHUNK // LANES, np.int16)
        seen = self._kept.array(f"seen {k}", owners, np.int64)
        seen[:] = -1
        return Workspace(
            local=local,
            local_ints=local.view(i),
            bits=bits,
            words=bits.view(np.int64),
            rows=rows,
            constants=cpu_blend.CONSTANTS,
            ids=self._kept.array(f"ids {k}", LANES, i),
            planes=self._kept.array(f"planes {k}", BLOCKS * (4 + channels) * LANES, f),
            sums=self._kept.array(f"sums {k}", slots * BLOCKS * LANES, f),
            slot_of=self._kept.array(f"slot_of {k}", owners, np.int64),
            seen=seen,
            owner_of=self._kept.array(f"owner_of {k}", owners, i),
        )


class _Kept:
    """Arrays that live from call to call and grow when they must."""

    def __init__(self) -> None:
        self._arrays: dict[str, NDArray[Any]] = {}

    def array(self, name: str, size: int, dtype: Any) -> NDArray[Any]:
        """A flat array of that size, aligned to cache lines, with whatever it held last."""
        held = self._arrays.get(name)
        if held is None or len(held) < size:
            room = np.empty((size + size // 4) * np.dtype(dtype).itemsize + 64, np.uint8)
            start = -room.ctypes.data % 64
            held = room[start : start + (size + size // 4) * np.dtype(dtype).itemsize].view(dtype)
            self._arrays[name] = held
        return held[:size]


def _camera(job: RasterJob) -> Camera:
    rotation, translation = job.viewmat[:3, :3], job.viewmat[:3, 3]
    return Camera(
        rotation=tuple(rotation.ravel().tolist()),
        translation=tuple(translation.tolist()),
        centre=tuple((-rotation.T @ translation).tolist()),
        focal=(float(job.K[0, 0]), float(job.K[1, 1])),
        principal=(float(job.K[0, 2]), float(job.K[1, 2])),
        limits=job.jacobian_limits,
        near=float(job.near_m),
        far=float(job.far_m),
        blur=float(job.eps2d),
        width=job.width,
        height=job.height,
    )


def _cloud(job: RasterJob, kept: _Kept) -> Cloud:
    owner = job.owner
    if owner is None:
        owner = kept.array("no owner", len(job), np.int32)
        owner[:] = 0
    empty = np.empty(0, np.float32)
    return Cloud(
        job.means.ravel(),
        job.quats.ravel(),
        job.scales.ravel(),
        job.opacities,
        empty if job.sh is None else job.sh.ravel(),
        job.features.ravel(),
        owner,
        empty if job.sh_rotations is None else job.sh_rotations.astype(np.float32).ravel(),
    )


def _tail(cloud: Cloud, n: int) -> Cloud:
    """The last n % 16 Gaussians and as many transparent ones as make sixteen."""
    kept = n % LANES

    def padded(array: NDArray[Any]) -> NDArray[Any]:
        width = len(array) // n if n else 0
        result = np.zeros(LANES * max(width, 1), array.dtype)
        result[: kept * width] = array[(n - kept) * width :]
        return result

    return Cloud(*(padded(array) for array in cloud[:-1]), cloud.rotations)
