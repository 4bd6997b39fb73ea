"""What a clip may be off by before a law counts as broken, and why so much.

Every limit lies well above what sound engines show on the shelf and in tests (docs/receipts.md has the figures), and
well below what an eye or a learner would take for wrong physics.
"""

from __future__ import annotations

from typing import Final

from simvid.scene import DeformableKind

WINDOW_S: Final = 0.1
"""Momentum is balanced over stretches of this length, or a frame if that is longer: a body that hangs in the air for
one would have fallen by 5 cm."""
KICK_M_S: Final = 0.05
"""Unexplained change of speed in a window. Engines keep momentum to rounding; contacts of deformable bodies are summed
in float32, and speeds of those come from differences of positions."""
KICK_SHARE: Final = 0.05
"""... and this share of what contacts did to the body in the window: points and times of contacts are means."""
SPIN_SHARE: Final = 0.03
"""Unexplained change of angular momentum of a body that touches nothing, of its size. A step of 2 ms of a first-order
integrator shows 1 % on a tumbling body."""
SPIN_RAD_S: Final = 0.1
"""... and so much turn of its largest inertia: a thing that hardly turns has no angular momentum to speak of."""

JUMP_M: Final = 2e-3
"""How far a body may be from where its speeds say that it went between two frames, touching nothing."""
JUMP_SHARE: Final = 0.1
"""... and this share of its way: speeds change within a frame in ways that its ends do not tell."""
TOUCHED_JUMP_M: Final = 5e-3
TOUCHED_SHARE: Final = 0.6
"""The same where it touches something or hangs on a joint: a bounce in mid-frame can undo half the way."""

GAIN_SHARE: Final = 0.05
"""Energy that nothing explains, of the largest kinetic energy in the clip: contacts are springs that give back what
they took frames later, and semi-implicit steps swing about the true energy by h omega."""
SOFT_GAIN_SHARE: Final = 0.2
"""With deformable bodies, if not all are of elements: what plastic and liquid bodies store is not known, and speeds are
differences over a frame, which an impact blurs. Of bodies of elements the stored energy is known, and what the blur may
hide is counted: ``energy.swing_energy``."""
LIFT_M: Final = 3e-3
DRIFT_M_S: Final = 0.05
"""... and what lifts all by this height and moves all at this speed: bodies may start 1 mm inside each other, and are
pushed apart."""
GIVE_M: Final = 2e-3
"""... and the largest force of the drives over this way: a grasp is a spring that holds force x depth / 2, and the work
of a force that swings within a frame is not its mean times the way."""
LOW_FRAMES: Final = 3
"""With bodies of elements energy counts as low only where it is so for so many frames: a bounce between two frames
blurs the speeds at both, and what swings faster than the frames is stored at one and kinetic, unseen, at the next."""

DEEP_M: Final = 3e-3
DEEP_SHARE: Final = 0.1
"""Deeper than both this and this share of half the thinner one's size is no resting contact any more: those yield by
less than 0.5 mm."""
DEEP_S: Final = 0.15
"""... and it may be so for no longer. An impact is found up to speed x step deep, and pushed out within 20 ms."""
THROUGH_SHARE: Final = 1.0
"""At no time deeper than this share of half the thinner one's size, or 2 cm if that is more: its middle is inside."""
THROUGH_M: Final = 0.02
PARTICLE_DEPTH_CELLS: Final = 2.0
"""Particles may be so many of their spacings inside what is solid (their grid is two spacings wide): one percent of a
body's particles, at any time. In what is thinner than four of them, half-way to its middle ..."""
PARTICLE_DEPTH_LEAST: Final = 0.25
"""... but a quarter of a spacing at least: round walls and meshes are measured no finer."""
PARTICLE_SHARE: Final = 0.01
ELEMENT_DEPTH_CELLS: Final = 0.25
"""Points of other bodies may be so many of its cells inside a body of elements: contact looks at vertices and middles
of edges, so that two edges that cross sink in by a quarter of a cell at most."""
THIN_DEPTH_SPACINGS: Final = 0.5
"""A particle's surface may be so many of its spacings inside cloth or rope: then its centre is at their surface."""

LIMIT_RAD: Final = 0.05
LIMIT_M: Final = 5e-3
"""How far a robot's joint may be beyond its limit: limits are springs. A gripper that closes on nothing shows 0.7 mm,
one that is pushed onto a table with 200 N 3.7 mm."""
LOOSE_M: Final = 2e-3
LOOSE_RAD: Final = 0.02
"""How far what a joint ties together may come apart or turn off the axis: joints of the engines are exact, or springs
with this give."""

VOLUME_SHARE: Final[dict[DeformableKind, float]] = {
    "elastic": 0.1, "plastic": 0.1, "snow": 0.6, "granular": 0.35, "liquid": 0.35, "cloth": 0.2, "rope": 0.2,
}  # fmt: skip
"""Largest change of a body's total volume (of a cloth's area, of a rope's length), of that at rest. Elastic and plastic
bodies may lose what their load over their bulk modulus is besides (``matter.squeeze``); snow packs for good; of loose
bodies crowding is measured, which the shape of the heap blurs."""
MOST_SQUEEZE: Final = 0.6
"""No load excuses more."""
INVERTED_SHARE: Final = 0.002
"""Particles that are turned inside out (det F <= 0), of a solid body: matter cannot be."""
CFL: Final = 1.0
"""Cells of the grid that a particle may cross in a physics step: what it may meet is put in place once per step."""
MAX_SPEED_M_S: Final = 100.0
"""Of any part or particle; what a table-top scene reaches by diverging, not by falling (that takes 510 m)."""
MASS_SHARE: Final = 1e-5
"""Between the mass that the scene asks for and that of the trajectory: engines keep float32."""
