"""MJCF robots: paths checked and expanded here, everything else read out of MuJoCo's compiled model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import mujoco  # noqa: TID253  this module is loaded for MJCF files alone
import numpy as np
from numpy.typing import NDArray

from simvid.assets.mjcf_geoms import link_geometry
from simvid.assets.robot_cache import load_robot_model, robot_key, store_robot_model
from simvid.assets.robot_model import Mimic, RobotJoint, RobotLink, RobotModel
from simvid.assets.robot_xml import MAX_INCLUDES, Folder, read_xml
from simvid.errors import AssetError
from simvid.rotations import pose_matrix

Array = NDArray[np.float64]
KINDS = {int(mujoco.mjtJoint.mjJNT_HINGE): "hinge", int(mujoco.mjtJoint.mjJNT_SLIDE): "slide"}
FOLDER_KEYS = ("assetdir", "meshdir", "texturedir", "strippath")
DROPPED_KEYS = ("discardvisual", "fusestatic")
"""Compiler settings that would lose geoms and links."""
INCLUDED_FROM = "simvid_included_from"
"""Attribute that remembers, while reading, from which folder an element was included."""
SCENERY = ("light", "camera")


def read_mjcf(path: Path, root: Path, fixed_base: bool) -> RobotModel:
    """Read an MJCF file as a robot at the origin.

    Args:
        path: the file.
        root: folder outside of which nothing is opened.
        fixed_base: a free joint of a root body is taken out, so that the world holds it.

    Raises:
        AssetError: unreadable XML, forbidden or missing files, what MuJoCo refuses, ball joints.
    """
    tree = _expanded(path, root)
    files = _paths_checked(tree, Folder(path.parent, root, path.name))
    _cleaned(tree)
    key = robot_key(ElementTree.tostring(tree, encoding="unicode"), files, fixed_base, f"mujoco {mujoco.__version__}")
    model = load_robot_model(key, path)
    if model is None:
        model = _read(tree, path, fixed_base)
        store_robot_model(key, model)
    return model


def _read(tree: ElementTree.Element, path: Path, fixed_base: bool) -> RobotModel:
    """The robot of a cleaned tree, compiled."""
    m = _compiled(tree, path)
    joints = _joints(m, path)
    links = tuple(_link(m, b) for b in range(1, m.nbody))
    home = _home(m, [j for j in range(m.njnt) if int(m.jnt_type[j]) in KINDS])
    for section in tree.findall("keyframe"):
        tree.remove(section)
    if fixed_base:
        _drop(tree, lambda e: e.tag == "freejoint" or (e.tag == "joint" and e.get("type") == "free"))
    text = ElementTree.tostring(tree, encoding="unicode")
    return RobotModel("", path, "mjcf", text, links, joints, home, np.eye(4), fixed_base)


def _expanded(path: Path, root: Path) -> ElementTree.Element:
    """The file with its includes put in place, which is what <include> means."""
    tree = read_xml(path)
    if tree.tag != "mujoco":
        raise AssetError(f"{path.name}: expected an MJCF file with root <mujoco>, got <{tree.tag}>")
    folder = Folder(path.parent, root, path.name)
    for _ in range(MAX_INCLUDES):
        found = next(((p, i) for p in tree.iter() for i in p if i.tag == "include"), None)
        if found is None:
            return tree
        parent, include = found
        name = include.get("file", "")
        file = folder.find(name, name, f"{include.get(INCLUDED_FROM, '.')}/{name}")
        inner = read_xml(file)
        for element in inner.iter():
            element.set(INCLUDED_FROM, str(file.parent))
        at = list(parent).index(include)
        parent.remove(include)
        for offset, child in enumerate(inner):
            parent.insert(at + offset, child)
    raise AssetError(f"{path.name}: more than {MAX_INCLUDES} includes; does a file include itself?")


def _paths_checked(tree: ElementTree.Element, folder: Folder) -> list[Path]:
    """Make every path absolute, after checking that it is allowed and there; all files found.

    Looked for as MuJoCo does: from the main file with the asset folder, then beside the file that was included.
    """
    settings: dict[str, str] = {}
    files: list[Path] = []
    for compiler in tree.iter("compiler"):
        for key in FOLDER_KEYS:
            if key in compiler.attrib:
                settings[key] = compiler.attrib.pop(key)
        for key in DROPPED_KEYS:
            compiler.attrib.pop(key, None)
    for element in tree.iter():
        beside = element.attrib.pop(INCLUDED_FROM, ".")
        for key, text in list(element.attrib.items()):
            if not key.startswith("file"):
                continue
            if element.tag == "model":
                raise AssetError(f"{folder.file}: <model file={text!r}>: attached models are not supported; include it")
            name = text.replace("\\", "/")
            if settings.get("strippath") == "true":
                name = name.rsplit("/", 1)[-1]
            key_of = "texturedir" if element.tag == "texture" else "meshdir"
            within = settings.get(key_of, settings.get("assetdir", ""))
            tried = f"{within.rstrip('/')}/{name}" if within else name
            file = folder.find(text, tried, f"{beside}/{name}", f"{beside}/{tried}")
            element.set(key, str(file))
            files.append(file)
    return files


def _cleaned(tree: ElementTree.Element) -> None:
    """Name what has no name, and leave out the file's floor, lights, cameras and sensors: the scene has its own."""
    worlds = tree.findall("worldbody")
    floors = {g.get("name") for w in worlds for g in w.iter("geom") if g.get("type") == "plane"} - {None}
    _drop(tree, lambda e: e.tag == "sensor" or (e.tag == "pair" and {e.get("geom1"), e.get("geom2")} & floors))
    for world in worlds:
        _drop(world, lambda e: e.tag in SCENERY or (e.tag == "geom" and e.get("type") == "plane"))
    stand = ElementTree.Element("body", name="stand")
    for world in worlds:
        for child in [c for c in world if c.tag in {"geom", "site"}]:
            world.remove(child)
            stand.append(child)
    if stand.find("geom") is not None:
        worlds[0].insert(0, stand)
    for tag, stem in (("body", "link"), ("joint", "joint")):
        elements = [e for w in worlds for e in w.iter(tag)]
        taken = {e.get("name") for e in elements}
        for k, element in enumerate(elements):
            if "name" not in element.attrib:
                free = f"{stem}_{k}"
                element.set("name", free if free not in taken else f"{free}_unnamed")


def _drop(tree: ElementTree.Element, unwanted: Callable[[ElementTree.Element], object]) -> None:
    for parent in list(tree.iter()):
        for child in [c for c in parent if unwanted(c)]:
            parent.remove(child)


def _compiled(tree: ElementTree.Element, path: Path) -> mujoco.MjModel:
    try:
        return mujoco.MjModel.from_xml_string(ElementTree.tostring(tree, encoding="unicode"))
    except ValueError as error:
        text = " ".join(str(error).split())
        raise AssetError(f"{path.name}: MuJoCo refuses it: {text}") from error


def _link(m: mujoco.MjModel, b: int) -> RobotLink:
    visuals, colliders = link_geometry(m, b)
    name = m.body(b).name
    if not name:
        raise AssetError("a body made by MuJoCo (composite, flexcomp) has no name; robots need one for every link")
    pose = pose_matrix(m.body_pos[b], m.body_quat[b])
    return RobotLink(name, int(m.body_parentid[b]) - 1, pose, visuals, colliders)


def _joints(m: mujoco.MjModel, path: Path) -> tuple[RobotJoint, ...]:
    drives = _drives(m)
    columns = [j for j in range(m.njnt) if int(m.jnt_type[j]) in KINDS]
    followers = _followers(m, columns)
    joints = []
    for j in range(m.njnt):
        kind = int(m.jnt_type[j])
        name, link = m.joint(j).name, int(m.jnt_bodyid[j]) - 1
        if kind == int(mujoco.mjtJoint.mjJNT_BALL):
            raise AssetError(f"{path.name}: joint {name!r} is a ball joint; robots here take hinges and slides")
        if kind == int(mujoco.mjtJoint.mjJNT_FREE):
            continue
        low, high = m.jnt_range[j] if m.jnt_limited[j] else (-np.inf, np.inf)
        force = float(m.jnt_actfrcrange[j, 1]) if m.jnt_actfrclimited[j] else np.inf
        effort, stiffness, damping = drives.get(j, (np.inf, None, None))
        joints.append(
            RobotJoint(
                name, link, "slide" if KINDS[kind] == "slide" else "hinge", m.jnt_axis[j].copy(), m.jnt_pos[j].copy(),
                float(low), float(high), min(force, effort), np.inf, j in drives or not m.nu, stiffness, damping,
                followers.get(j), float(m.qpos0[m.jnt_qposadr[j]]),
            )
        )  # fmt: skip
    return tuple(joints)


def _drives(m: mujoco.MjModel) -> dict[int, tuple[float, float | None, float | None]]:
    """Joint -> (effort limit, stiffness, damping) of the actuators that move it, directly or by a fixed tendon.

    A position actuator's force is gain * ctrl + bias_1 * length + bias_2 * speed (MuJoCo's "affine" bias). Over a fixed
    tendon of length sum(c_i q_i) it acts on joint i with c_i times that; when all its joints move together, as the
    fingers of a gripper do, joint i feels the stiffness -bias_1 * c_i * sum(c).
    """
    found: dict[int, tuple[float, float | None, float | None]] = {}
    for a in range(m.nu):
        gear = abs(float(m.actuator_gear[a, 0]))
        limit = float(max(abs(m.actuator_forcerange[a]))) if m.actuator_forcelimited[a] else np.inf
        bias = m.actuator_biasprm[a]
        affine = int(m.actuator_biastype[a]) == int(mujoco.mjtBias.mjBIAS_AFFINE)
        target, kind = int(m.actuator_trnid[a, 0]), int(m.actuator_trntype[a])
        shares: list[tuple[int, float, float]] = []
        if kind in {int(mujoco.mjtTrn.mjTRN_JOINT), int(mujoco.mjtTrn.mjTRN_JOINTINPARENT)}:
            shares = [(target, gear, gear)]
        elif kind == int(mujoco.mjtTrn.mjTRN_TENDON):
            wraps = range(int(m.tendon_adr[target]), int(m.tendon_adr[target] + m.tendon_num[target]))
            arms = {int(m.wrap_objid[w]): float(m.wrap_prm[w]) for w in wraps
                    if int(m.wrap_type[w]) == int(mujoco.mjtWrap.mjWRAP_JOINT)}  # fmt: skip
            total = sum(abs(c) for c in arms.values())
            shares = [(j, abs(c) * gear, total * gear) for j, c in arms.items()]
        for j, arm, together in shares:
            stiffness = -float(bias[1]) * arm * together if affine and bias[1] < 0 else None
            damping = -float(bias[2]) * arm * together if affine and bias[2] < 0 else None
            found[j] = (limit * arm, stiffness, damping)
    return found


def _followers(m: mujoco.MjModel, columns: list[int]) -> dict[int, Mimic]:
    """Joints tied to another one by an equality constraint (MuJoCo: q1 - q1_0 = polynomial of q2 - q2_0)."""
    found: dict[int, Mimic] = {}
    for e in range(m.neq):
        one, two = int(m.eq_obj1id[e]), int(m.eq_obj2id[e])
        if int(m.eq_type[e]) == int(mujoco.mjtEq.mjEQ_JOINT) and {one, two} <= set(columns) and m.eq_active0[e]:
            found[one] = Mimic(columns.index(two), tuple(float(c) for c in m.eq_data[e, :5]))
    return found


def _home(m: mujoco.MjModel, columns: list[int]) -> Array:
    """The keyframe called home, or zero clamped to the limits; one value per joint of one degree of freedom."""
    keys = [k for k in range(m.nkey) if m.key(k).name == "home"]
    at = [int(m.jnt_qposadr[j]) for j in columns]
    if keys:
        return np.array(m.key_qpos[keys[0]][at], dtype=np.float64)
    limited = m.jnt_limited[columns].astype(bool)
    low, high = m.jnt_range[columns].T
    return np.asarray(np.where(limited, np.clip(m.qpos0[at], low, high), m.qpos0[at]), dtype=np.float64)
