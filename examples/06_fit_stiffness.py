"""Gradients through physics: find how stiff a cube is from how it bounces (as in PhysDreamer, Zhang et al. 2024).

A jelly cube is dropped; what is seen is where some of its points are in each frame, to a millimetre. Its Young's
modulus is found by gradient descent through the simulation, which runs backward with checkpoints at the frames.
"""

import json
import sys
from pathlib import Path

import numpy as np

from simvid.physics.mpm.colliders import plane
from simvid.physics.mpm.differentiable import DifferentiableMpm
from simvid.physics.mpm.domain import Domain
from simvid.physics.mpm.materials import MpmMaterial
from simvid.physics.mpm.particles import Particles, lattice

TRUE_PA, GUESS_PA, NU, STEPS = 5e4, 1.2e5, 0.3, 25
out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples")

points, volume = lattice((0, 0, 0.02), (0.15, 0.15, 0.17), 0.025)
cube = Particles.of(points, volume, MpmMaterial("fixed_corotated", 1000.0, young_modulus_pa=GUESS_PA))
world = DifferentiableMpm(
    cube,
    Domain((-0.25, -0.25, -0.1), (0.4, 0.4, 0.4), 0.05),
    frames=6,
    frame_s=1 / 24,
    largest_young_pa=2e5,
    planes=[plane((0, 0, 1), (0, 0, 0))],
)
fall = (0.2, 0.0, -1.2)
rng = np.random.default_rng(0)
seen = rng.choice(len(cube), 40, replace=False)
observed = world.simulate(TRUE_PA, NU, fall)[:, seen] + rng.normal(0, 1e-3, (6, 40, 3))

# Adam on the logarithm: stiffness is a matter of factors.
log_young, mean, square, losses = np.log(GUESS_PA), 0.0, 0.0, []
for step in range(1, STEPS + 1):
    young = float(np.exp(log_young))
    misfit = world.simulate(young, NU, fall)[:, seen] - observed
    losses.append(float((misfit**2).sum(axis=-1).mean() ** 0.5))
    cotangents = np.zeros((world.frames, len(cube), 3))
    cotangents[:, seen] = misfit
    slope = float(world.gradients(cotangents).young.sum()) * young
    mean, square = 0.8 * mean + 0.2 * slope, 0.95 * square + 0.05 * slope**2
    rate = 0.15 * min(1.0, 3 * (1 - step / STEPS))
    log_young -= rate * (mean / (1 - 0.8**step)) / (np.sqrt(square / (1 - 0.95**step)) + 1e-12)
    if step % 5 == 1:
        print(f"step {step:2d}: Young's modulus {young:8.0f} Pa, points {1e3 * losses[-1]:.2f} mm off")

found = float(np.exp(log_young))
out.mkdir(parents=True, exist_ok=True)
(out / "stiffness.json").write_text(json.dumps({"found_pa": found, "true_pa": TRUE_PA, "losses_m": losses}) + "\n")
print(f"found {found:.0f} Pa; it was {TRUE_PA:.0f} Pa, and the first guess {GUESS_PA:.0f} Pa")
if abs(found / TRUE_PA - 1) > 0.1:
    sys.exit("the modulus is more than a tenth off")
