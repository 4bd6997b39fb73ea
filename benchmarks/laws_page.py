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

| asked | newton | test |
|---|---|---|
| `restitution` | MuJoCo has none: the contact's reference velocity is set to -e v in the step of the impact; \
contacts slower than 2.5 g h do not bounce | `tests/physics/test_laws.py`: bounce, collision, oblique bounce |
| `friction` | elliptic cones; the lift that a convex cone gives a sliding contact is taken out (De Saxce and Feng \
1998) | `test_laws.py`: inclines |
| `rolling_friction_m` | MuJoCo's rolling friction | `test_newton_bodies.py` |
| `density_kg_m3`, `mass_kg` | masses in float64 put into MuJoCo's model; every clip's receipt compares (`masses`) | \
`tests/checking/receipts` |
| armature | none is added to bodies; robots have their file's | `test_laws.py`: pendulum |
| `young_modulus_pa`, `poisson_ratio` | simvid's MPM, fixed corotated or Neo-Hookean; nu of 0.5 and more is refused | \
`tests/physics/mpm/test_mpm_laws.py`: bar, cantilever |
| `friction_angle_deg` | Drucker-Prager with the cone of shear along a slope | `test_mpm_laws.py`: column collapse |
| `viscosity_pa_s` | Newtonian, explicit; weakly compressible with the bulk modulus asked for | `test_mpm_laws.py`: \
film, dam break |
| `stretch_n_m`, `bend_n_m`, rope | explicit springs and hinges with these stiffnesses | `tests/physics/thin` |
| floating bodies | not met on coarse liquids: contact reaches half a cell out of surfaces, so at a spacing of a tenth \
of its edge a block floats with two thirds of its draught | `test_mpm_obstacles.py`: Archimedes |
| `hold` on deformable bodies | holds particles; the grid bends on for about a cell behind the edge: a cantilever of \
four cells deflects 28 % too far | laws.md: cantilever |
| a step that does not divide the frame, nu >= 0.5, NaN | refused by name, with the nearest that fits | `tests/broken` |

A liquid or sand that begins closer than half a spacing to a wall is pressed out of it in the first steps, and jets: \
leave half a `particle_spacing_m` of room, as the scenes of the benchmark do.
"""


def page(result: dict[str, Any]) -> str:
    """The text."""
    return HEAD + "\n".join(_table(result)) + "\n" + HOW


def _table(result: dict[str, Any]) -> Iterator[str]:
    names = [
        name for name in result["engines"] if any("figures" in c["engines"][name] for c in _asked(result).values())
    ]
    yield f"| asked | measured as | {' | '.join(names)} |"
    yield f"|---|---|{'---|' * len(names)}"
    for name, case in _asked(result).items():
        for figure, q in case["quantities"].items():
            cells = [_cell(case["engines"][engine], figure, q) for engine in names]
            yield f"| `{name}` | {figure} | {' | '.join(cells)} |"


def _asked(result: dict[str, Any]) -> dict[str, Any]:
    return {name: case for name, case in result["cases"].items() if case["asked"]}


def _cell(found: dict[str, Any], figure: str, quantity: dict[str, Any]) -> str:
    if "figures" not in found:
        return "refused" if "refused" in found else "failed"
    off = found["errors"][figure]
    told = "" if off is None else f" ({off:+.1%})" if quantity["error"] == "relative" else f" ({off:+.2g})"
    return f"{found['figures'][figure]:.4g} {quantity['unit']}".strip() + told


if __name__ == "__main__":
    PAGE.write_text(page(json.loads(SOURCE.read_text())["result"]), encoding="utf-8")
