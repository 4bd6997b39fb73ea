"""The table of which engine does what, as text and as a page."""

from __future__ import annotations

from collections.abc import Sequence

from simvid import registry
from simvid.physics.abilities import SUMMARIES, Ability
from simvid.physics.capabilities import FEATURES, abilities_of

HEAD = """\
# Physics engines

Made by `simvid list engines --markdown`. An engine is chosen in the scene: `physics: {engine: newton}`. What one \
cannot do it refuses before the first step, by file, line and field, with an engine that can.
"""


def mark(ability: Ability | None) -> str:
    """Where an engine does something, in a word."""
    if ability is None:
        return "?"
    return {(True, True): "CPU, CUDA", (True, False): "CPU", (False, True): "CUDA", (False, False): "–"}[
        ability.cpu, ability.cuda
    ]


def rows(engines: Sequence[str]) -> list[tuple[str, ...]]:
    """Head and one row per feature: words, then one mark per engine."""
    known = {name: abilities_of(name) for name in engines}
    body = [(f.words, *(mark((known[name] or {}).get(f.name)) for name in engines)) for f in FEATURES]
    return [("", *engines), *body]


def table_text() -> str:
    """The table of all registered engines, in columns."""
    table = rows(registry.names("physics"))
    widths = [max(len(row[k]) for row in table) for k in range(len(table[0]))]
    return "\n".join("  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in table)


def engines_page() -> str:
    """The page, Markdown: simvid's own engines, the table, and its notes."""
    head, *body = rows(sorted(SUMMARIES))
    lines = [HEAD, *(f"- `{name}`: {text}" for name, text in SUMMARIES.items()), ""]
    lines += ["| | " + " | ".join(f"`{name}`" for name in head[1:]) + " |", "|---" * len(head) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in body]
    notes = [
        f"- {feature.words} (`{name}`): {ability.note}"
        for feature in FEATURES
        for name in head[1:]
        if (ability := (abilities_of(name) or {}).get(feature.name)) is not None and ability.note
    ]
    return "\n".join([*lines, "", "Notes:", *notes]) + "\n" + TAIL


TAIL = """
## Genesis: how it is used

Newton builds MuJoCo's model of a scene for both engines; Genesis is handed that model, so masses, inertias, \
joints, colliders and friction are the same to the last bit. Finding contacts, the contact and joint \
constraints, the equations of motion and their integration are Genesis' own, in double precision, with elliptic \
friction cones and no armature but the model's. simvid adds the law of impact (`restitution`), and reckons \
actuators and springs from the same model. So what differs between the engines is how they solve, and the two \
check each other: free bodies, joints, tops, stacks and bounces agree to 1e-9 m over a second, sliding and \
rolling to a millimetre (`tests/physics/test_genesis_laws.py`); joints on joints part, as Newton takes \
fourth-order steps there, and Genesis eight steps for one ([physics-truth.md](physics-truth.md)). Scenes and tasks \
of the shelf side by side: [benchmarks/results/engines.md](../benchmarks/results/engines.md), by `python \
benchmarks/bench_engines.py`; `franka_push`, `franka_pick` and ten of the thirteen tasks agree to 9 mm and less, a \
URDF Panda at rest to 0.1 mm; balls that are poured part by 39 mm, walking by 45 mm, and in wiping a crumb ends 0.3 m \
elsewhere; all thirteen succeed on both. Pouring, wiping, billiards, a ball pit and stacks that fall are chaotic: \
Newton parts from itself about as far when one thing is moved by 0.1 mm, measured on the same page. Of the \
scenes with sand, water and beads `sand_pour` runs as it is and `water_glass` with viscosity_pa_s: 0; `pour_beads` is \
refused for its thin cup. Closed forms for both: \
[benchmarks/results/laws.md](../benchmarks/results/laws.md).

Cloth, rope and bodies of finite elements are moved by simvid's own solver, as on Newton: beside what stands still or \
follows keyframes they go as there (all nodes of a cube of elements to 1e-7 m), a plate that falls on such a cube is \
0.1 mm off (`tests/physics/test_genesis_fem.py`). What bounces off and tumbles parts further: a lid that slides off \
by 14 mm in 0.8 s, the cube that it kicked by 46 mm.

Other deformable bodies are Genesis' MPM with simvid's particles, masses and grid spacing. They touch rigid bodies by \
another rule than simvid's own MPM (a cell whose node is inside a body), so they rest up to half a cell higher \
or lower. Its grid is whole and takes memory: particles that come near its border end the run with an error. By \
that rule alone sand and liquid run through walls: a tank with walls of one cell lost half of its sand in a second, \
one with walls of two a fifth of its water, since a layer of nodes holds little, and nodes behind the middle of a wall \
let out at its back. So simvid stops particles of sand and liquid one by one (a quarter of their spacing off, with \
Coulomb's friction; the body gets what they lose: Stomakhin et al. 2013, section 8). Walls of half a cell then hold \
all of both (`tests/physics/test_genesis_walls.py`), `sand_pour` in its chute of one to one and a half too. What they \
hold may pack too close: the beads of `pour_beads`, in a cup of 0.9 and a bowl of 0.8 cells, broke the receipt's law \
`volume`. So bodies thinner than a cell beside sand and liquid are refused, a run ends where a twentieth of the \
particles is in a wall, and the law `particle_depth` fails a clip at one in a hundred. \
The jelly of `jelly_drop`, of 1000 particles, is 19 mm from Newton's after 0.75 s, half a cell; its spread \
differs by 1 %.

## Genesis: what it costs

Install it with `pip install 'simvid[genesis]'`: 2.2 GB on disk. Genesis compiles its kernels when it meets a \
kind of scene for the first time (which shapes touch, which joints there are, the numbers of deformable \
materials); simvid says so before it starts, and every 20 s while it goes on. They stay in simvid's cache folder \
(`~/.cache/simvid/genesis`, or where `QD_OFFLINE_CACHE_FILE_PATH` says). Measured in CPU seconds on two busy \
cores, a ball and three boxes: 103 to the first frame with an empty cache, 27 in a new process later (15 of them \
to import Genesis), 0.7 in the same process. Another kind of rigid scene takes 1 to 15 more once, deformable \
bodies with new numbers 10 to 30.
"""
