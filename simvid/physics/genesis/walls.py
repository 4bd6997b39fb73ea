"""Walls too thin for sand and liquid on Genesis are refused before the first step, and what is in a wall ends the run.

Particles are stopped one by one (``stopping``), and walls of half a cell hold them. But beads in the cup and the bowl
of scenes/pour_beads.yaml, of 0.9 and 0.8 cells, packed too close: the receipt's law ``volume`` failed the clip.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simvid.assets.parts import SceneAssets
from simvid.errors import PhysicsError, SceneError
from simvid.physics.newton.obstacles import Hindrances
from simvid.physics.newton.pieces import Piece
from simvid.physics.newton.soft import CELL
from simvid.physics.newton.soft_start import depths
from simvid.physics.soft_materials import SUPPORTED
from simvid.physics.watch import part_place, part_sizes

Array = NDArray[np.float64]
LOOSE = ("granular", "liquid")
"""Kinds that run through what does not hold them; others hang together."""
LOST_SHARE = 0.05
"""Of a body's particles that may be deep in one rigid part at a frame."""


def check_walls(assets: SceneAssets) -> None:
    """Refuse rigid bodies thinner than a cell of the grid beside sand and liquid; a robot's links are no vessels.

    Raises:
        SceneError: one line for each body, with what would do.
    """
    soft = [(p.part.name, p.deformable) for p in assets.parts if p.deformable is not None]
    loose = [name for name, body in soft if body.kind in LOOSE]
    if not loose:
        return
    cell = CELL * min(body.spacing_m for _, body in soft if body.kind in SUPPORTED)
    thickness = 2 * part_sizes(assets)
    bodies = np.array([p.part.kind == "body" for p in assets.parts])
    lines = [
        f"{part_place(assets, assets.parts[k].part)}: {assets.parts[k].part.name!r} is {1000 * thickness[k]:.3g} mm "
        f"thick where it is thinnest, and {loose[0]!r} may lose volume beside it on engine 'genesis', whose grid has "
        f"cells of {1000 * cell:.3g} mm (two particle_spacing_m): expected a cell or more; give a particle_spacing_m "
        f"of at most {thickness[k] / CELL:.3g}, thicker walls, or use engine newton"
        for k in np.flatnonzero(bodies & (thickness < cell * (1 - 1e-6)))
    ]
    if lines:
        raise SceneError("\n".join(lines))


def check_kept_out(
    assets: SceneAssets, soft: Sequence[Piece], things: Hindrances, places: Array, time_s: float
) -> None:
    """Refuse to go on where sand or liquid is in a wall: deeper than two spacings, or half-way to its middle.

    Args:
        assets: of the scene.
        soft: its deformable bodies.
        things: rigid parts; of those that move nothing is said.
        places: of all particles, world [P, 3].
        time_s: of the frame.

    Raises:
        PhysicsError: which body, which part, how many particles.
    """
    sizes = part_sizes(assets)
    still = [o for o in range(len(things.parts)) if o not in things.moving]
    for piece in soft:
        if piece.body.kind not in LOOSE:
            continue
        for o in still:
            part = int(things.parts[o])
            allowed = min(2 * piece.body.spacing_m, sizes[part] / 2)
            share = float((depths(things.obstacles[o], places[piece.rows])[0] > allowed).mean())
            if share > LOST_SHARE:
                name, wall = (assets.parts[k].part.name for k in (piece.part, part))
                raise PhysicsError(
                    f"at t = {time_s:.4g} s {share:.0%} of the particles of {name!r} are more than "
                    f"{1000 * allowed:.3g} mm inside {wall!r}: engine 'genesis' does not keep them out; "
                    "make those thicker, give a smaller particle_spacing_m, or use engine newton"
                )
