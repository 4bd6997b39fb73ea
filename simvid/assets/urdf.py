"""URDF robots, read from their XML; meshes through the same loader as bodies."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from simvid.assets.collada import collada_unit
from simvid.assets.robot_model import JointKind, Mimic, RobotJoint, RobotLink, RobotModel, closest
from simvid.assets.robot_xml import Folder, read_xml
from simvid.assets.urdf_geometry import UrdfFiles, link_colliders, link_visuals, numbers, origin
from simvid.errors import AssetError

Array = NDArray[np.float64]
KINDS: dict[str, JointKind] = {"revolute": "hinge", "continuous": "hinge", "prismatic": "slide"}


def read_urdf(path: Path, root: Path, fixed_base: bool) -> RobotModel:
    """Read a URDF file as a robot at the origin, links in depth-first order of the file.

    Args:
        path: the file.
        root: folder outside of which nothing is opened.
        fixed_base: whether the world holds the root link.

    Raises:
        AssetError: unreadable XML, forbidden or missing files, links and joints that form no single tree, joint types
            other than revolute, continuous, prismatic and fixed, impossible numbers.
    """
    tree = read_xml(path)
    if tree.tag != "robot":
        raise AssetError(f"{path.name}: expected a URDF file with root <robot>, got <{tree.tag}>")
    folder = Folder(path.parent, root, path.name)
    links = _named(tree, "link", path.name)
    elements = _named(tree, "joint", path.name)
    order, parent_joint = _ordered(links, elements, path.name)
    index = {name: k for k, name in enumerate(order)}
    files = UrdfFiles.of(tree, folder)
    made = []
    for name in order:
        joint = parent_joint.get(name)
        above = -1 if joint is None else index[_end(joint, "parent", path.name)]
        pose = np.eye(4) if joint is None else origin(joint, path.name)
        visuals = link_visuals(links[name], files)
        made.append(RobotLink(name, above, pose, visuals, link_colliders(links[name], files)))
    moving = [parent_joint[n] for n in order if n in parent_joint and parent_joint[n].get("type") != "fixed"]
    joints = _with_mimics([_joint(j, index, path.name) for j in moving], moving, path.name)
    home = np.array([float(np.clip(0.0, j.lower, j.upper)) for j in joints])
    text = _for_engines(tree, folder)
    return RobotModel("", path, "urdf", text, tuple(made), joints, home, np.eye(4), fixed_base)


def _named(tree: Element, tag: str, file: str) -> dict[str, Element]:
    names = [e.get("name", "") for e in tree.findall(tag)]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice or "" in names:
        what = f"the name {twice[0]!r} twice" if twice and twice[0] else "one without a name"
        raise AssetError(f"{file}: expected a name of its own for every {tag}, got {what}")
    return {e.get("name", ""): e for e in tree.findall(tag)}


def _end(joint: Element, tag: str, file: str) -> str:
    element = joint.find(tag)
    name = element.get("link") if element is not None else None
    if name is None:
        raise AssetError(f"{file}: joint {joint.get('name')!r} has no <{tag} link=...>")
    return name


def _ordered(links: dict[str, Element], joints: dict[str, Element], file: str) -> tuple[list[str], dict[str, Element]]:
    """Link names, parents first and depth first, and the joint above each."""
    above: dict[str, Element] = {}
    children: dict[str, list[str]] = {name: [] for name in links}
    for name, joint in joints.items():
        parent, child = _end(joint, "parent", file), _end(joint, "child", file)
        for end in (parent, child):
            if end not in links:
                raise AssetError(f"{file}: joint {name!r} names the unknown link {end!r}; {closest(end, list(links))}")
        if child in above:
            raise AssetError(f"{file}: link {child!r} hangs on two joints, {above[child].get('name')!r} and {name!r}")
        above[child] = joint
        children[parent].append(child)
    roots = [name for name in links if name not in above]
    if len(roots) != 1:
        what = f"{len(roots)} ({', '.join(roots)})" if roots else "none (the joints form a loop)"
        raise AssetError(f"{file}: expected one root link, got {what}")
    order: list[str] = []
    waiting = [roots[0]]
    while waiting:
        name = waiting.pop()
        order.append(name)
        waiting.extend(reversed(children[name]))
    if len(order) != len(links):
        raise AssetError(f"{file}: links {', '.join(sorted(set(links) - set(order)))} form a loop of joints")
    return order, above


def _joint(element: Element, index: dict[str, int], file: str) -> RobotJoint:
    name, kind = element.get("name", ""), element.get("type", "")
    if kind not in KINDS:
        raise AssetError(
            f"{file}: joint {name!r} is of type {kind!r}; expected {', '.join(KINDS)} or fixed"
            + ("; say fixed_base: false for a floating base" if kind == "floating" else "")
        )
    mark = element.find("axis")
    axis = np.array(numbers(mark.get("xyz", "1 0 0") if mark is not None else "1 0 0", 3, f"{file}: joint {name!r}"))
    length = float(np.linalg.norm(axis))
    if length < 1e-9:
        raise AssetError(f"{file}: joint {name!r} has an axis of length zero")
    limit = element.find("limit")
    given = {} if limit is None else {k: numbers(v, 1, f"{file}: joint {name!r}")[0] for k, v in limit.attrib.items()}
    low, high = given.get("lower", 0.0), given.get("upper", 0.0)
    if kind == "continuous":
        low, high = -np.inf, np.inf
    elif limit is None or low > high:
        raise AssetError(f"{file}: joint {name!r}: expected <limit> with lower <= upper, got {low} and {high}")
    return RobotJoint(
        name, index[_end(element, "child", file)], KINDS[kind], axis / length, np.zeros(3), low, high,
        given.get("effort") or np.inf, given.get("velocity") or np.inf, actuated=element.find("mimic") is None,
    )  # fmt: skip


def _with_mimics(joints: list[RobotJoint], elements: list[Element], file: str) -> tuple[RobotJoint, ...]:
    names = [joint.name for joint in joints]
    made = []
    for joint, element in zip(joints, elements, strict=True):
        mark = element.find("mimic")
        if mark is None:
            made.append(joint)
            continue
        leader = mark.get("joint", "")
        if leader not in names or leader == joint.name:
            raise AssetError(f"{file}: joint {joint.name!r} mimics the unknown joint {leader!r}")
        where = f"{file}: joint {joint.name!r}"
        offset, factor = (numbers(mark.get(k, d), 1, where)[0] for k, d in (("offset", "0"), ("multiplier", "1")))
        made.append(replace(joint, mimic=Mimic(names.index(leader), (offset, factor))))
    return tuple(made)


def _for_engines(tree: Element, folder: Folder) -> str:
    """The document without what is only seen, with absolute paths to what collides, in words of Newton's importer.

    That reads COLLADA without the file's unit, and a capsule's length as its ``height``.
    """
    for link in tree.findall("link"):
        for visual in link.findall("visual"):
            link.remove(visual)
        for mesh in link.iter("mesh"):
            path = folder.find_uri(mesh.get("filename", ""))
            mesh.set("filename", str(path))
            unit = collada_unit(path) if path.suffix.lower() == ".dae" else 1.0
            if unit != 1.0:
                scale = (float(s) * unit for s in mesh.get("scale", "1 1 1").split())
                mesh.set("scale", " ".join(map(str, scale)))
        for capsule in link.iter("capsule"):
            capsule.set("height", capsule.get("length", ""))
    for unused in [e for tag in ("material", "gazebo", "transmission") for e in tree.findall(tag)]:
        tree.remove(unused)
    return ElementTree.tostring(tree, encoding="unicode")
