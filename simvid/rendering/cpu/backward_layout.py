"""What the kernels of the backward pass hand to each other. All arrays are flat."""

from __future__ import annotations

from typing import NamedTuple

from simvid.rendering.cpu.layout import F32, I32, I64

# The gradient of a splat, within one tile or in all, is a line of sixteen floats. With s the derivative of the loss by
# the logarithm of the splat's alpha at a pixel, and u and v as in ``cpu_layout``, it holds the sums over the pixels of
# s, s u, s v, s u u, s u v, s v v, of the derivative by the splat's depth, and of those by its channels.
LINE = 16
LINE_S, LINE_U, LINE_V, LINE_UU, LINE_UV, LINE_VV, LINE_DEPTH, LINE_CHANNELS = range(8)

CHANNELS_PER_PASS = LINE - LINE_CHANNELS
"""Channels that fit one line; more take more passes. The splat's own sums then add up over the passes."""

MOST_LINES = 1 << 20
"""Lines kept at a time, unless a single row of tiles has more: the picture is worked on in bands of rows."""


class Given(NamedTuple):
    """The picture that was drawn and the gradient of the loss by it.

    features and by_features [H W channels], alpha and by_alpha [H W], expected and by_expected [H W] or empty.
    """

    channels: int
    features: F32
    alpha: F32
    expected: F32
    by_features: F32
    by_alpha: F32
    by_expected: F32


class Lines(NamedTuple):
    """Where each splat's gradient in each tile goes.

    The line of record r in the tile at column x, row y has the number (spots[r] >> 16) + (spots[r] & 0xFFFF) y + x,
    so that a splat's lines lie together. lines [LINE lines].
    """

    spots: I64
    lines: F32


class BackwardWorkspace(NamedTuple):
    """What one thread needs beside ``Workspace``.

    planes [BLOCKS (5 + D) LANES]: of each block light, rest, gradients by alpha and by depth, expected depth and
    gradients by channels; touched [CHUNK]: the blocks that each splat touches, as bits; places [CHUNK]: where its
    line starts.
    """

    planes: F32
    touched: I32
    places: I64


class SplatGradients(NamedTuple):
    """Gradients of all splats: records and their stride as in ``Splats``, the Gaussian of each record, and totals
    [LINE passes N], the lines of each record, one per pass."""  # fmt: skip

    records: F32
    stride: int
    indices: I32
    totals: F32
    passes: int


class Gradients(NamedTuple):
    """Gradients of the loss, added to what is there: means [3 N], quats [4 N], scales [3 N], opacities [N],
    sh [3 K N], features [D N]."""  # fmt: skip

    means: F32
    quats: F32
    scales: F32
    opacities: F32
    sh: F32
    features: F32


class BackwardStage(NamedTuple):
    """Where one thread passes sixteen Gaussians from vectors to scalars and back, [16 * 16] each: their numbers
    (integers), the gradients of their geometry, their harmonics and the gradients by them."""  # fmt: skip

    indices: I32
    geometry: F32
    basis: F32
    by_basis: F32
