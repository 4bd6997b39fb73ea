"""The scene language: frozen pydantic models, one per thing that a scene file can hold.

These files go without ``from __future__ import annotations``: pydantic would compile each annotation from its text,
which costs a tenth of the time that ``load_scene`` takes.
"""

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
    Ring,
    Scatter,
    Slider,
    Stack,
    Triangle,
    Weld,
)
from simvid.scene.cameras import Camera, CameraKeyframe, CameraPose, Light, Orbit, PointLight, Sky, Sun
from simvid.scene.materials import Elastic, Look, Material
from simvid.scene.robots import Action, Control, GripperTo, Joints, Push, Reach, Robot, Tool, Velocity, Wait
from simvid.scene.scene import Ground, Jitter, Label, Normal, Physics, Random, Refine, Scene, Uniform
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
    "Action", "Arrange", "Ball", "Body", "Bowl", "Box", "Camera", "CameraKeyframe", "CameraPose", "Capsule", "Compound",
    "CompoundPart", "Cone", "Control", "Cylinder", "Elastic", "Ellipsoid", "Grid", "GripperTo", "Ground", "Hinge",
    "Impulse", "Jitter", "Joint", "Joints", "Keyframe", "Label", "Light", "Line", "Look", "Material", "MeshShape",
    "Model", "Motion", "Normal", "OneOf", "Orbit", "Physics", "PointLight", "Pose", "Push", "Random", "Reach",
    "Refine", "Ring", "Robot", "Scatter", "Scene", "Shape", "Sky", "Slider", "Sphere", "SplatShape", "Stack", "Sun",
    "Tool", "Triangle", "Uniform", "Velocity", "Wait", "Weld",
]  # fmt: skip
