"""docs/physics-truth.md from benchmarks/results/laws.json: what was asked for, and what happened.

python benchmarks/laws_page.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SOURCE, PAGE = ROOT / "benchmarks" / "results" / "laws.json", ROOT / "docs" / "physics-truth.md"
HEAD = """\
# What is asked is what happens

Numbers of a scene file against what each engine did, measured by `benchmarks/bench_laws.py` (`make bench`) and \
written here by `benchmarks/laws_page.py`. Closed forms and experiments stand in \
[benchmarks/results/laws.md](../benchmarks/results/laws.md).

"""
HOW = """
How each is met:

| asked | engine | how | test |
|---|---|---|---|
| `restitution` | both | MuJoCo has none: the contact's reference velocity is set to -e v in the step of the impact; \
contacts slower than 2.5 g h do not bounce | `tests/physics/test_laws.py`: bounce, collision, oblique bounce |
| `friction` | both | elliptic cones; on newton the lift that a convex cone gives a sliding contact is taken out (De \
Saxce and Feng 1998) | `test_laws.py`: inclines |
| `rolling_friction_m` | both | rolling friction of the contact | `test_newton_bodies.py` |
| `density_kg_m3`, `mass_kg` | both | masses in float64 put into MuJoCo's model; every clip's receipt compares \
(`masses`) | `tests/checking/receipts` |
| armature | both | none is added to bodies; robots have their file's | `test_laws.py`: pendulum |
| energy of joints on joints | newton | fourth-order steps while nothing touches them and nothing stiff drives them; \
else of first order in the step | `test_laws.py`: double pendulum |
| the same | genesis | eight of its first-order steps for one, where Newton's are of fourth order | \
`test_genesis_laws.py`: double pendulum |
| fast tops on ball joints | both | rotation by simvid's own kick and drift; Genesis' step gives them energy until \
they fly apart | `test_laws.py`, `test_genesis_laws.py`: top |
| `young_modulus_pa`, `poisson_ratio` | newton | simvid's MPM, fixed corotated or Neo-Hookean; nu of 0.5 and more is \
refused | `tests/physics/mpm/test_mpm_laws.py`: bar, cantilever |
| `friction_angle_deg` | newton | Drucker-Prager with the cone of shear along a slope | `test_mpm_laws.py`: column \
collapse |
| `viscosity_pa_s` | newton | Newtonian, explicit; weakly compressible with the bulk modulus asked for | \
`test_mpm_laws.py`: film, dam break |
| `stretch_n_m`, `bend_n_m`, rope | both | explicit springs and hinges with these stiffnesses | `tests/physics/thin` |
| `hold` on deformable bodies | newton | the grid is laid so that bodies are clamped in the faces of the regions | \
`tests/physics/test_outside_soft.py`: beam |
| liquid or sand that begins at a wall | both | the outermost particles stand half a spacing inside of the shape, \
where contact keeps them | `test_newton_soft.py`: jets |
| floating bodies | newton | Archimedes, where the body begins in the water; see below. On genesis walls \
thinner than a cell of the grid are refused beside water and sand | `test_mpm_obstacles.py`: slab, \
`test_genesis_walls.py` |
| bodies that start inside each other, particles inside rigid parts, rigid parts between particles, robots inside \
themselves | both | refused by name, with how deep and the \
way out | `test_newton_errors.py`, `test_newton_soft.py`, `test_tasks.py` |
| stiffness or viscosity that explicit substeps cannot follow in hours | both | refused by name before the first \
step, with the numbers that would do | `test_newton_soft.py`: for ever |
| deformable bodies that start inside each other: solids in solids, cloth or rope in solids, thin ones that cross \
| both | refused by name, with both bodies and a way out; boxes may overlap by half a spacing of each, thin ones by \
1 mm of their thickness, or half of it | `test_apart.py` |
| a step that does not divide the frame, nu >= 0.5, NaN | both | refused by name, with the nearest that fits | \
`tests/broken` |

## Joints on joints: the step
MuJoCo's step is of first order where the masses that a joint feels change with the pose. Energy that a double \
pendulum let go level gains in 5 s, over its largest kinetic energy:

| step | 2 ms | 1 ms | 0.5 ms | 0.25 ms |
|---|---|---|---|---|
| semi-implicit (before; raw MuJoCo; raw Genesis) | +6.6 % | +3.3 % | +1.6 % | +0.8 % |
| fourth order (newton) | 9e-9 | 6e-10 | 4e-11 | 2e-12 |

Newton takes the fourth-order step for hinges and sliders that hang on each other, with no free bodies, balls, motors, \
robots or stiff springs in the scene, and only in steps without contacts, limits and ties. Robots keep the first-order \
step, which their stiff servos need.

## Held beams: where they are clamped
On a grid a body bends as if it were clamped a quarter of a cell behind the last plane of held nodes: the quadratic \
spline of the next plane reaches over it (the first free node of a bar moves by 5/4 of its distance times the strain). \
So the grid is laid with a plane of nodes a quarter of a cell beyond the face of the region, wherever that is. \
Deflection of a beam of four cells, over Timoshenko's: before +27.6 %, with nodes in the face +10.6 %, so +1.4 %; \
of six cells +1.9 %. Of several faces across one axis the first counts; behind others, behind balls and at attachments \
the clamp is within half a cell of where it was asked for. The same quarter of a cell is in `young_modulus_pa` above: \
a column of eight cells on a floor is 1/32 longer than it looks, its own weight shortens it by 6 % more.

## Floating bodies: begin where they float
A slab that begins in the water, at the draught that Archimedes gives it and with the water around it (a `compound` of \
boxes), keeps it within 4 % at a spacing of a tenth of its edge; the cube that was measured here before turns over \
by itself at half the density of water. A slab that is **dropped** into coarse water stays far too high, at 40 % of \
its draught: water does not come back to its sides. That is not contact but the liquid: it does not level below half a \
cell (a pit of 30 mm in cells of 20 mm stays 11 mm deep), as pressures that alternate between the particles of a cell \
move no node. At half the spacing the slab had 61 % of its draught after 0.4 s, and was still going down. So let a \
body begin afloat where its draught matters.
"""


def page(result: dict[str, Any]) -> str:
    """The text."""
    return HEAD + "\n".join(_table(result)) + "\n" + HOW


def _table(result: dict[str, Any]) -> Iterator[str]:
    names = [
        name
        for name in result["engines"]
        if any("figures" in c["engines"].get(name, {}) for c in _asked(result).values())
    ]
    yield f"| asked | measured as | {' | '.join(names)} |"
    yield f"|---|---|{'---|' * len(names)}"
    for name, case in _asked(result).items():
        for figure, q in case["quantities"].items():
            cells = [_cell(case["engines"].get(engine), figure, q) for engine in names]
            yield f"| `{name}` | {figure} | {' | '.join(cells)} |"


def _asked(result: dict[str, Any]) -> dict[str, Any]:
    return {name: case for name, case in result["cases"].items() if case["asked"]}


def _cell(found: dict[str, Any] | None, figure: str, quantity: dict[str, Any]) -> str:
    if found is None:
        return "not measured"
    if "figures" not in found:
        return "refused" if "refused" in found else "failed"
    off = found["errors"][figure]
    told = "" if off is None else f" ({off:+.1%})" if quantity["error"] == "relative" else f" ({off:+.2g})"
    return f"{found['figures'][figure]:.4g} {quantity['unit']}".strip() + told


if __name__ == "__main__":
    PAGE.write_text(page(json.loads(SOURCE.read_text())["result"]), encoding="utf-8")
