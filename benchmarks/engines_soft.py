"""What deforms on Newton and on Genesis, for ``bench_engines.py``: how far apart it ends, and which receipts pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from simvid.assets.parts import SceneAssets
from simvid.checking.receipts.receipt import receipt_of
from simvid.trajectory import ParticleMotion, Trajectory

COARSE: dict[str, list[str]] = {
    "jelly_drop": ["materials.jelly.elastic.particle_spacing_m=0.02", "duration_s=0.75"],
    "water_glass": ["materials.water.liquid.viscosity_pa_s=0", "duration_s=0.75"],
    "clay_press": ["materials.clay.plastic.particle_spacing_m=0.02"],
    "capture_squash": ["duration_s=0.5"],
}
"""What is changed of shelf scenes: fewer particles and shorter, since Genesis' grid is whole; no viscosity. Where walls
decide, in sand and water, the spacing is the scene's own."""
CELLS, SHARE = 1.0, 0.15
"""Tolerances: of the centre of mass and of the height, in cells of the grid (two spacings); of spread and run-out."""


def soft_rows(assets: SceneAssets, made: dict[str, Trajectory]) -> list[dict[str, Any]]:
    """One row for each deformable body: place and form at the end."""
    rows = []
    for one, two in zip(made["newton"].particles, made["genesis"].particles, strict=True):
        body = assets.parts[one.part].deformable
        assert body is not None, "particles are of a deformable part"
        n, g = _form(one), _form(two)
        cell = 2 * body.spacing_m
        apart = float(np.linalg.norm(n["centre"] - g["centre"]))
        row: dict[str, Any] = {
            "body": one.name, "cell_mm": round(1e3 * cell, 1),
            "centre_mm": round(1e3 * apart, 1),
            **{key: [round(1e3 * n[key], 1), round(1e3 * g[key], 1)] for key in ("height", "spread", "run_out")},
        }  # fmt: skip
        near = apart <= CELLS * cell and abs(n["height"] - g["height"]) <= CELLS * cell
        alike = all(abs(n[key] - g[key]) <= SHARE * n[key] for key in ("spread", "run_out"))
        rows.append({**row, "within": bool(near and alike)})
    return rows


def _form(motion: ParticleMotion) -> dict[str, Any]:
    """Of the last frame: centre of mass, height that 5 % exceed, root mean square and 98 % of the distances from the
    vertical through the centre [m]."""
    x = motion.positions[-1].astype(np.float64)
    away = np.linalg.norm((x - x.mean(axis=0))[:, :2], axis=1)
    return {
        "centre": x.mean(axis=0), "height": float(np.percentile(x[:, 2], 95)),
        "spread": float(np.sqrt((away**2).mean())), "run_out": float(np.percentile(away, 98)),
    }  # fmt: skip


def broken(assets: SceneAssets, made: dict[str, Trajectory]) -> dict[str, list[str]]:
    """Laws that the receipt of each engine's run finds broken."""
    return {
        name: [law.name for law in receipt_of(assets, run).laws if law.passed is False] for name, run in made.items()
    }


def soft_table(table: dict[str, Any]) -> Iterator[str]:
    """The section of the page."""
    rows = [(name, body, row) for name, row in table.items() for body in row.get("soft", [])]
    if not rows:
        return
    yield "\n## What deforms, at the end"
    yield (
        "\nShelf scenes, some with fewer particles or shorter (`benchmarks/engines_soft.py`). Height: 5 % of the "
        "particles are above. Spread and run-out: root mean square, and 98 %, of their distances from the vertical "
        f"through the centre of mass. Tolerances: centre and height {CELLS:g} cell of the grid, spread and run-out "
        f"{SHARE:.0%}. Pairs are newton, genesis.\n"
    )
    head = (
        "scene",
        "body",
        "cell, mm",
        "centre apart, mm",
        "height, mm",
        "spread, mm",
        "run-out, mm",
        "within",
        "laws",
    )
    yield f"| {' | '.join(head)} broken |"
    yield "|---" * len(head) + "|"
    for name, body, row in rows:
        pairs = [", ".join(str(v) for v in body[key]) for key in ("height", "spread", "run_out")]
        laws = ", ".join(f"{engine}: {' '.join(found)}" for engine, found in row["broken"].items() if found) or "none"
        verdict = "yes" if body["within"] else "no"
        yield (
            f"| {name} | {body['body']} | {body['cell_mm']} | {body['centre_mm']} | {' | '.join(pairs)} | {verdict} "
            f"| {laws} |"
        )
    yield WHY


WHY = """
Why they part. Cloth and rope are moved by simvid's own solver on both engines: they part as far as the bodies and
robots beside them do. All else is Genesis' MPM against simvid's, with the same particles, masses, grid and laws. In the
air they agree to a third of a millimetre, as they take other substeps. They part where they touch: Genesis stops
particles at nodes of its grid inside a body, so they stay up to half a cell off it and rebound a little more. A jelly
cube ends half a cell higher, and is the same shape. The guitar of `capture_squash` lands on its end, and buckles and
topples otherwise from there on: it is 0.3 mm off at the first touch, 3 mm a frame later, and beyond the tolerances
after 0.5 s. Particles of water and sand are stopped at bodies one by one on Genesis, a quarter of their spacing off, so
they do not run through the glass and the chute. Water stands lower and wider there, and sand runs less far, both within
a cell. The cup of `pour_beads` is refused: it is thinner than a cell, and its beads packed too close when it was let
through."""
