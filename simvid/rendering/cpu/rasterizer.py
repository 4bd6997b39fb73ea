"""CpuRasterizer: the fast rasterizer. Sixteen pixels at a time, tile by tile, on as many threads as asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simvid.errors import RenderError
from simvid.optics import Lens
from simvid.rendering.cpu import blend as cpu_blend
from simvid.rendering.cpu import project as cpu_project
from simvid.rendering.cpu import tiles as cpu_tiles
from simvid.rendering.cpu.gather import set_nothing
from simvid.rendering.cpu.layout import (
    BLOCKS,
    CHUNK,
    CHUNK_CHANNELS,
    LANES,
    MAX_CHANNELS,
    MAX_ENTRIES,
    PITCH,
    ROWS,
    TILE,
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
from simvid.rendering.cpu.lens import lens_numbers
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.raster import PLAIN, Raster, RasterJob, checked_job

_LEAST_GROUPS = 64
"""Fewer groups of sixteen Gaussians than this are not worth a thread."""


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
        lens: Lens = PLAIN,
    ) -> Raster:
        """As ``Rasterizer.rasterize``."""
        job = checked_job(
            means=means, quats=quats, scales=scales, opacities=opacities, features=features, viewmat=viewmat, K=K,
            width=width, height=height, sh=sh, sh_rotations=sh_rotations, owner=owner, near_m=near_m, far_m=far_m,
            eps2d=eps2d, want=want, lens=lens,
        )  # fmt: skip
        grid = Grid(job.width, job.height, -(-job.width // TILE), -(-job.height // TILE))
        stride = record_stride(job.channels)
        projected, segments, corners = self._project(job, grid, stride)
        starts, order = self._bin(job, projected, segments, corners, grid)
        return self._blend(job, grid, Splats(projected.records, projected.record_ints, stride, starts, order))

    def close(self) -> None:
        """Let the threads go."""
        self._workers.close()

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
        camera, lens, cloud = _camera(job), lens_numbers(job), _cloud(job, self._kept)
        whole = n // LANES
        pieces = max(1, min(self.threads, whole // _LEAST_GROUPS))
        edges = [whole * k // pieces * LANES for k in range(pieces + 1)]
        corners = self._kept.array("corners", pieces * (grid.columns + 1) * (grid.rows + 1), np.int32)
        corners[:] = 0
        per_piece = corners.reshape(pieces, -1)
        segments = np.zeros(2 * (pieces + 1), np.int64)

        def body(first: int, last: int) -> None:
            for k in range(first, last):
                span = edges[k], edges[k + 1]
                end = cpu_project.project(cloud, camera, lens, counts, span, span[0], out, per_piece[k], self._stage(k))
                segments[2 * k : 2 * k + 2] = span[0], end

        self._workers.run(body, pieces)
        # the last n % 16 Gaussians, padded with transparent ones, follow where the last piece ended
        begin = int(segments[2 * pieces - 1])
        tail = _tail(cloud, n)
        end = cpu_project.project(tail, camera, lens, counts, (0, LANES), begin, out, per_piece[-1], self._stage(0))
        segments[2 * pieces :] = begin, end
        return out, segments, corners

    def _stage(self, piece: int) -> Stage:
        basis = self._kept.array(f"basis {piece}", LANES * LANES, np.float32)
        return Stage(basis, self._kept.array(f"ints {piece}", 3 * LANES, np.int32))

    def _bin(
        self, job: RasterJob, projected: Projected, segments: NDArray[np.int64], corners: Any, grid: Grid
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Sort by depth and list the splats of every tile; threads share the rows of tiles."""
        n, tiles = len(job) + LANES, grid.columns * grid.rows
        starts = self._kept.array("starts", tiles + 1, np.int64)
        cursors = self._kept.array("cursors", tiles, np.int64)
        pieces = len(corners) // ((grid.columns + 1) * (grid.rows + 1))
        entries = cpu_tiles.start_tiles(corners, pieces, grid, starts, cursors)
        if entries > MAX_ENTRIES:
            raise RenderError(
                f"rasterize: {len(job)} Gaussians at {job.width} x {job.height} px touch tiles of {TILE} px {entries} "
                f"times, more than {MAX_ENTRIES}; lower the resolution, or the number or size of the Gaussians"
            )
        result = self._kept.array("sorted", n, np.int64)
        scratch = self._kept.array("sorting", n, np.int64)
        histogram = self._kept.array("histogram", 1 << cpu_tiles.DIGIT_BITS, np.int64)
        visible = cpu_tiles.sort_by_depth(projected, segments, result, scratch, histogram)
        order = self._kept.array("order", entries + 2 * LANES, np.int32)
        order[entries:] = 0  # read in passing, never drawn

        def body(first: int, last: int) -> None:
            cpu_tiles.fill_tiles(result, visible, projected.rects, first, last, grid.columns, cursors, order)

        self._workers.run(body, grid.rows)
        return starts, order

    def _blend(self, job: RasterJob, grid: Grid, splats: Splats) -> Raster:
        """Blend all tiles; threads get runs of tiles with equally many entries."""
        w, h, d = job.width, job.height, job.channels
        labels = 0.0 if job.want else None
        planes = w * h if job.want else 0
        picture = Picture(
            channels=d,
            features=np.empty(w * h * d, np.float32),
            alpha=np.empty(w * h, np.float32),
            expected=np.empty(planes, np.float32),
            median=np.empty(planes, np.float32),
            ids=np.empty(planes, np.int32),
        )
        tiles = grid.columns * grid.rows
        shares = splats.starts[tiles] * np.arange(1, self.threads) // self.threads
        edges = [0, *np.searchsorted(splats.starts, shares).tolist(), tiles]

        def body(first: int, last: int) -> None:
            for k in range(first, last):
                work = self._workspace(job, splats, k)
                for c in range(0, max(d, 1), MAX_CHANNELS):
                    channels = (0.0,) * min(d - c, MAX_CHANNELS)
                    wanted = labels if c == 0 else None
                    span = edges[k], edges[k + 1]
                    cpu_blend.blend(span, grid, splats, c, channels, wanted, picture, work)

        self._workers.run(body, self.threads)
        return Raster(
            picture.features.reshape(h, w, d),
            picture.alpha.reshape(h, w),
            picture.expected.reshape(h, w) if "expected_depth" in job.want else None,
            picture.median.reshape(h, w) if "median_depth" in job.want else None,
            picture.ids.reshape(h, w) if "ids" in job.want else None,
        )

    def _workspace(self, job: RasterJob, splats: Splats, k: int) -> Workspace:
        """One thread's work space."""
        owners = 1 if job.owner is None or not len(job) else int(job.owner.max()) + 1
        slots = min(owners, int(np.diff(splats.starts).max())) if job.want else 0
        d = min(job.channels, MAX_CHANNELS)
        f, i = np.float32, np.int32
        chunk = self._kept.array(f"chunk {k}", CHUNK_CHANNELS + d * PITCH, f)
        rows = self._kept.array(f"rows {k}", ROWS * (CHUNK + 1), f)
        set_nothing(chunk, rows)
        bits = self._kept.array(f"bits {k}", BLOCKS * CHUNK // LANES, np.int16)
        seen = self._kept.array(f"seen {k}", owners, np.int64)
        seen[:] = -1
        return Workspace(
            chunk=chunk,
            chunk_ints=chunk.view(i),
            rows=rows,
            bits=bits,
            words=bits.view(np.int64),
            constants=cpu_blend.CONSTANTS,
            planes=self._kept.array(f"planes {k}", BLOCKS * (4 + d) * LANES, f),
            ids=self._kept.array(f"ids {k}", LANES, i),
            sums=self._kept.array(f"sums {k}", slots * BLOCKS * LANES, f),
            owner_of=self._kept.array(f"owner_of {k}", owners, i),
            slot_of=self._kept.array(f"slot_of {k}", owners, np.int64),
            seen=seen,
        )


class _Kept:
    """Arrays that live from call to call and grow when they must."""

    def __init__(self) -> None:
        self._arrays: dict[str, NDArray[Any]] = {}

    def array(self, name: str, size: int, dtype: Any) -> NDArray[Any]:
        """A flat array of that size, aligned to cache lines, with whatever it held last."""
        held = self._arrays.get(name)
        if held is None or len(held) < size:
            roomy = size + size // 4
            room = np.empty(roomy * np.dtype(dtype).itemsize + 64, np.uint8)
            start = -room.ctypes.data % 64
            held = room[start : start + roomy * np.dtype(dtype).itemsize].view(dtype)
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
        means=job.means.ravel(),
        quats=job.quats.ravel(),
        scales=job.scales.ravel(),
        opacities=job.opacities,
        sh=empty if job.sh is None else job.sh.ravel(),
        features=job.features.ravel(),
        owners=owner,
        rotations=empty if job.sh_rotations is None else job.sh_rotations.astype(np.float32).ravel(),
    )


def _tail(cloud: Cloud, n: int) -> Cloud:
    """The last n % 16 Gaussians and as many transparent ones as make sixteen."""
    kept = n % LANES

    def padded(array: NDArray[Any], least_width: int) -> NDArray[Any]:
        width = len(array) // n if n else least_width
        result = np.zeros(LANES * width, array.dtype)
        result[: kept * width] = array[(n - kept) * width :]
        return result

    widths = {"means": 3, "quats": 4, "scales": 3, "opacities": 1, "owners": 1, "sh": 0, "features": 0}
    return cloud._replace(**{name: padded(getattr(cloud, name), width) for name, width in widths.items()})
