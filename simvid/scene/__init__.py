"""The scene language: frozen pydantic models, one per thing that a scene file can hold.

These files go without ``from __future__ import annotations``: pydantic would compile each annotation from its text,
which costs a tenth of the time that ``load_scene`` takes.
"""

from simvid.scene.actions import (
    Action,
    Gait,
    Grasp,
    GripperTo,
    Handover,
    Joints,
    Lift,
    MoveBase,
    Open,
    Pour,
    Push,
    Reach,
    ScriptNoise,
    SetDown,
    Target,
    Velocity,
    Wait,
    WaitUntil,
    Wipe,
)
from simvid.scene.base import Model, OneOf, Pose
from simvid.scene.bodies import (
    Arrange,
    Ball,
    Body,
    Grid,
    Hinge,
    Impulse,
    Joint,
    Keyframe,
    Line,
    Motion,
    Places,
    Ring,
    Scatter,
    Slider,
    Stack,
    Triangle,
    Weld,
)
from simvid.scene.cameras import (
    Camera,
    CameraKeyframe,
    CameraPose,
    Light,
    Mount,
    Orbit,
    PointLight,
    Rig,
    Sky,
    Stereo,
    Sun,
)
from simvid.scene.deformables import (
    Cloth,
    Deformable,
    DeformableKind,
    Elastic,
    Granular,
    Liquid,
    Plastic,
    Rope,
    Snow,
    Solid,
)
from simvid.scene.distributions import Jitter, LogUniform, Normal, Place, Random, Uniform
from simvid.scene.forces import (
    Acceleration,
    Attachment,
    Attract,
    Breaks,
    Conveyor,
    Force,
    HingeMotor,
    Hold,
    Region,
    SharedImpulse,
    SliderMotor,
    Vortex,
    Wind,
)
from simvid.scene.lenses import Fisheye, Lens, Orthographic, Pinhole
from simvid.scene.materials import Look, Material
from simvid.scene.predicates import Predicate
from simvid.scene.robots import Control, Robot, Tool
from simvid.scene.scene import Ground, Label, LookName, Physics, Refine, Scene
from simvid.scene.sensors import DepthSensor, Focus, Noise, Rolling, Sensor, Shutter, WhiteBalance
from simvid.scene.shapes import (
    Bowl,
    Box,
    Capsule,
    Compound,
    CompoundPart,
    Cone,
    Cylinder,
    Ellipsoid,
    MeshShape,
    Shape,
    Sphere,
    SplatShape,
)

__all__ = [
    "Acceleration", "Action", "Arrange", "Attachment", "Attract", "Ball", "Body", "Bowl", "Box", "Breaks", "Camera",
    "CameraKeyframe", "CameraPose", "Capsule", "Cloth", "Compound", "CompoundPart", "Cone", "Control", "Conveyor",
    "Cylinder", "Deformable", "DeformableKind", "DepthSensor", "Elastic", "Ellipsoid", "Fisheye", "Focus", "Force",
    "Gait", "Granular", "Grasp", "Grid", "GripperTo", "Ground", "Handover", "Hinge", "HingeMotor", "Hold",
    "Impulse", "Jitter", "Joint", "Joints", "Keyframe", "Label", "Lens", "Lift", "Light", "Line", "Liquid",
    "LogUniform", "Look", "LookName", "Material", "MeshShape", "Model", "Motion", "Mount", "MoveBase", "Noise",
    "Normal", "OneOf", "Open", "Orbit", "Orthographic", "Physics", "Pinhole", "Place", "Places", "Plastic",
    "PointLight", "Pose", "Pour", "Predicate", "Push", "Random", "Reach", "Refine", "Region", "Rig", "Ring",
    "Robot", "Rolling", "Rope", "Scatter", "Scene", "ScriptNoise", "Sensor", "SetDown", "Shape", "SharedImpulse",
    "Shutter", "Sky", "Slider", "SliderMotor", "Snow", "Solid", "Sphere", "SplatShape", "Stack", "Stereo", "Sun",
    "Target", "Tool", "Triangle", "Uniform", "Velocity", "Vortex", "Wait", "WaitUntil", "Weld", "WhiteBalance",
    "Wind", "Wipe",
]  # fmt: skip
