"""What carries a motor is moved by it, without a record."""

from __future__ import annotations

from simvid.checking.receipts.receipt import receipt_of
from simvid.physics.newton.engine import NewtonPhysics
from simvid.scene import Body, Ground, Hinge, HingeMotor, Joint, Material
from simvid.testing.physics_scenes import at, ball, box, small_assets, small_scene


def wheel(name: str, x: float, y: float, *motors: HingeMotor) -> Body:
    hinge = Hinge(parent="chassis", anchor_m=(x, y, 0.05), axis=(0.0, 1.0, 0.0), motors=motors)
    return ball(name, 0.05, mass_kg=0.2, pose=at(x, y, 0.05), joint=Joint(hinge=hinge))


def test_a_car_with_driven_wheels_breaks_no_law() -> None:
    motor = HingeMotor(velocity_rad_s=6.0, max_torque_n_m=0.5)
    wheels = [wheel(f"w{k}", 0.2 * (k // 2) - 0.1, 0.26 * (k % 2) - 0.13, motor) for k in range(4)]
    chassis = box("chassis", (0.3, 0.14, 0.04), mass_kg=2.0, pose=at(0, 0, 0.08))
    scene = small_scene([chassis, *wheels], ground=Ground(material=Material(friction=0.9)), seconds=0.6)
    assets = small_assets(scene)
    made = NewtonPhysics().simulate(assets)
    assert made.poses[-1, made.part_index("chassis"), 0] > 0.1
    assert [law.line() for law in receipt_of(assets, made).broken] == []


def test_a_reaction_wheel_in_a_free_body_breaks_no_law() -> None:
    hinge = Hinge(
        parent="chassis", anchor_m=(0.1, 0.0, 0.0), axis=(0.0, 0.0, 1.0), motors=(HingeMotor(torque_n_m=0.05),)
    )
    bodies = [
        box("chassis", (0.3, 0.1, 0.1), mass_kg=1.0),
        box("wheel", (0.3, 0.1, 0.1), mass_kg=1.0, pose=at(0, 0, 0.15), joint=Joint(hinge=hinge)),
    ]
    assets = small_assets(small_scene(bodies, gravity=(0.0, 0.0, 0.0), seconds=0.5))
    made = NewtonPhysics().simulate(assets)
    assert made.twists[-1, 0, 5] < -1.0
    assert [law.line() for law in receipt_of(assets, made).broken] == []
