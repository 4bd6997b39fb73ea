"""What deforms, in the viewer: what is sent to the browser against what the renderer poses."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from simvid.assets.prepare import prepare
from simvid.clip import Clip
from simvid.errors import CheckWarning
from simvid.pipeline import run
from simvid.rendering.kernels.threads import Workers
from simvid.rendering.light.region import usual_pixel
from simvid.rendering.splats.loose import LooseSplats
from simvid.rendering.splats.posing import PosedSplats
from simvid.rotations import matrix_from_quat
from simvid.scene import Scene
from simvid.surfaces.boxes import box_arrays
from simvid.testing.bending import bend, scripted, spread, squash
from simvid.testing.recording import Read
from simvid.viewing import bent, recording
from simvid.viewing.bent import BentLooks, thinned
from simvid.viewing.content import Content, box_segments
from simvid.viewing.drawings import Drawings
from simvid.viewing.looks import covered
from simvid.viewing.recording import bent_path, part_path, write_recording
from simvid.viewing.server import Viewer

Array: TypeAlias = NDArray[Any]
SPACED = {"particle_spacing_m": 0.04}
SCENE: dict[str, Any] = {
    "simvid": 1, "duration_s": 0.375, "fps": 8, "ground": {}, "labels": [],
    "cameras": [{"name": "front", "resolution_px": [64, 48],
                 "pose": {"look_from_m": [0.9, -1.3, 0.8], "look_at_m": [0, 0, 0.15]}}],
    "materials": {
        "jelly": {"elastic": {"young_modulus_pa": 1e4, **SPACED}, "look": {"base_color": [0.2, 0.7, 0.3]}},
        "clay": {"plastic": {"young_modulus_pa": 1e4, "yield_stress_pa": 1e3, **SPACED}},
        "sand": {"granular": SPACED, "look": {"base_color": [0.8, 0.65, 0.4]}},
    },
    "bodies": [
        {"name": "post", "shape": {"box": {"size_m": [0.06, 0.06, 0.3]}}, "fixed": True,
         "pose": {"position_m": [0.4, -0.3, 0.15]}},
        {"name": "jelly", "shape": {"box": {"size_m": [0.4, 0.12, 0.12]}}, "material": "jelly",
         "pose": {"position_m": [0.1, 0, 0.1], "rotation_deg": [0, 0, 30]}},
        {"name": "heap", "shape": {"sphere": {"radius_m": 0.12}}, "material": "sand",
         "pose": {"position_m": [0, -0.45, 0.15]}},
        {"name": "clay", "shape": {"box": {"size_m": 0.15}}, "material": "clay",
         "pose": {"position_m": [-0.4, 0, 0.2]}},
    ],
}  # fmt: skip
WAYS = {"jelly": bend(0.2), "heap": spread(0.1), "clay": squash(np.diag([2.5, 0.8, 0.5]))}
JELLY, HEAP, CLAY = 3, 4, 5
MOST = 20_000


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Of a bent, a poured and a flowing body."""
    scene = Scene.model_validate(SCENE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CheckWarning)  # the motion is a formula's: no law of physics moves it
        trajectory = scripted(prepare(scene), WAYS)
        return run(scene, tmp_path_factory.mktemp("bent"), trajectory=trajectory, until="rendering")


@pytest.fixture(scope="module")
def viewer(clip: Clip) -> Iterator[Viewer]:
    shown = Viewer(clip, most=MOST)
    shown._loader.join(60)
    yield shown
    shown.close()


@pytest.fixture(scope="module")
def recorded(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Read:
    path = tmp_path_factory.mktemp("recordings") / "bent.rrd"
    assert write_recording(clip, path, MOST) == ""
    return Read(path)


@pytest.mark.filterwarnings("ignore:.*unstable")
def test_boxes_are_those_of_the_label(clip: Clip, viewer: Viewer, recorded: Read) -> None:
    content, last = Content(clip), clip.frame_count - 1
    label = box_arrays(clip.trajectory, clip.cameras["front"], boxes_of(content))
    drawings, drawn = Drawings(content, "front"), list[Array]()
    drawings._polyline = lambda draw, points, color, width=None: drawn.append(points)  # type: ignore[method-assign]
    drawings._draw_boxes_3d(None, last)
    viewer._stage.show(last)
    for k, part in enumerate(content.boxed):
        ends = np.concatenate([points[[0, -1]] for points in drawn[12 * k : 12 * k + 12]])
        seen = label["corners_px"][last, list(label["part_id"]).index(part.id)]
        assert np.allclose([ends.min(axis=0), ends.max(axis=0)], [seen.min(axis=0), seen.max(axis=0)], atol=1e-3)
        box = content.boxes_at(part)[last]
        assert np.allclose(viewer._stage._boxes[part.id].points, box_segments(box), atol=1e-6)
        path, at = part_path(part.name) + "/box", last if part.id in (JELLY, HEAP, CLAY) else None
        assert np.allclose(recorded(path, "Boxes3D:half_sizes")[at], (box[1] - box[0]) / 2, atol=1e-6)
        assert np.allclose(recorded(path, "Boxes3D:centers")[at], box.mean(axis=0), atol=1e-6)
        assert recorded(path, "Boxes3D:class_ids")[None] == [part.id]
    clay = content.part("clay")
    assert clay.box_m is not None
    assert np.ptp(content.boxes_at(clay)[last], axis=0)[0] > 1.5 * np.ptp(clay.box_m, axis=0)[0], "it is pressed wide"


def boxes_of(content: Content) -> Array:
    return np.array([np.full((2, 3), np.nan) if p.box_m is None else p.box_m for p in content.parts])


def rendered(clip: Clip, frame: int) -> dict[int, tuple[Array, Array]]:
    """Centres and covariances of each part that deforms, as the renderer's painter poses them for the first camera."""
    assets, look = covered(clip, MOST)
    trajectory, camera = clip.trajectory, clip.cameras["front"]
    loose = [
        LooseSplats(m, assets.parts[m.part], usual_pixel(camera, trajectory.poses[:, m.part, :3]))
        for m in trajectory.particles
        if m.form == "loose"
    ]
    posed = PosedSplats(look, trajectory.particles, loose)  # no part is a capture
    posed.pose(trajectory.poses_at(frame), Workers(1), frame)
    a = posed.arrays
    axes = np.stack([matrix_from_quat(q) for q in a.quats.astype(float)]) * a.scales[:, None]
    covariances = axes @ axes.transpose(0, 2, 1)
    return {k: (a.means[a.owner == k], covariances[a.owner == k]) for k in (JELLY, HEAP, CLAY)}


def test_what_is_sent_is_what_the_renderer_poses(viewer: Viewer, clip: Clip) -> None:
    centres = []
    for frame in (0, clip.frame_count - 1):
        viewer.show(frame)
        assert viewer._looks is not None
        made = {look.id: look for look in viewer._looks[1].at(frame)}
        for k, (places, covariances) in rendered(clip, frame).items():
            node, unit = viewer._stage._bent[k]
            np.testing.assert_allclose(made[k].means, places, atol=1e-7)
            size = np.linalg.norm(covariances, axis=(1, 2), keepdims=True)
            assert (np.abs(made[k].covariances() - covariances) / size).max() < 1e-5
            np.testing.assert_allclose(node.centers * unit, places, atol=1e-5)
            sent = node.covariances.astype(float) * unit**2  # in half floats
            assert (np.abs(sent - covariances) / size).max() < 1e-3
            assert node.scale == unit
            assert (node.rgbs == made[k].colors).all()
        centres.append(viewer._stage._bent[JELLY][0].centers * viewer._stage._bent[JELLY][1])
    assert np.abs(centres[1] - centres[0]).max() > 0.05, "it has bent"


def test_rigid_parts_stay_below_their_frames(viewer: Viewer) -> None:
    viewer.show(1)
    names = {node.name for node in viewer._stage._nodes["splats"]}
    assert names == {"/parts/2/splats", *(f"/bent/{k}/splats" for k in (JELLY, HEAP, CLAY))}


def test_hidden_parts_are_hidden_with_their_particles(viewer: Viewer) -> None:
    stage = viewer._stage
    stage.hide({JELLY})
    assert [stage._worlds[k].visible for k in (JELLY, HEAP, CLAY)] == [False, True, True]
    stage.hide(set())
    assert all(node.visible for node in stage._worlds.values())
    assert [node.name for node in stage._points] == [f"/bent/{k}/particles" for k in (JELLY, HEAP, CLAY)]
    assert not any(node.visible for node in stage._points), "splats tell how they deform"


def test_nothing_is_made_while_splats_are_hidden(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, at = [], BentLooks.at

    def watched(self: BentLooks, frame: int) -> tuple[bent.BentLook, ...]:
        asked.append(frame)
        return at(self, frame)

    monkeypatch.setattr(BentLooks, "at", watched)
    viewer = Viewer(clip, most=MOST)
    try:
        viewer._loader.join(60)
        viewer.show(0)
        viewer.show(0)
        viewer.panel._layers["splats"].value = False
        viewer.show(1)
        assert asked == [0]
        viewer.panel._layers["splats"].value = True
        viewer.show(1)
    finally:
        viewer.close()
    assert asked == [0, 1]


def test_few_frames_are_kept_and_made_again_alike(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = BentLooks(clip, *covered(clip, MOST))
    first = looks.at(0)
    assert looks.at(0) is first
    monkeypatch.setattr(bent, "KEPT_BYTES", int(2.5 * sum(look.size_bytes for look in first)))
    for frame in (1, 0, 2):
        looks.at(frame)
    assert list(looks._kept) == [0, 2], "the last ones that were asked for"
    monkeypatch.setattr(bent, "KEPT_BYTES", 0)
    looks.at(1)
    assert list(looks._kept) == [1]
    for one, again in zip(first, looks.at(0), strict=True):
        np.testing.assert_array_equal(one.means, again.means)
        np.testing.assert_array_equal(one.colors, again.colors)


def test_a_body_of_too_many_is_thinned_and_covers_as_much(clip: Clip) -> None:
    covering = covered(clip, MOST)
    whole = BentLooks(clip, *covering).at(2)
    for all_, few in zip(whole, BentLooks(clip, *covering, most=150).at(2), strict=True):
        assert len(few.means) == 150 < len(all_.means)
        rows, wider = thinned(np.arange(len(all_.means)), 150)
        assert len(np.unique(rows)) == 150
        np.testing.assert_array_equal(few.means, all_.means[rows])
        before, after = (np.linalg.eigvalsh(c.astype(float)) for c in (all_.covariances()[rows], few.covariances()))
        np.testing.assert_allclose(after[:, 1:], wider**2 * before[:, 1:], rtol=1e-3)
        np.testing.assert_allclose(after[:, 0], before[:, 0], rtol=1e-2)
        assert 150 * wider**2 == pytest.approx(len(all_.means))


@pytest.mark.filterwarnings("ignore:.*unstable")
def test_a_recording_holds_what_the_renderer_poses_at_every_frame(clip: Clip, recorded: Read) -> None:
    read, names = recorded, {JELLY: "jelly", HEAP: "heap", CLAY: "clay"}
    looks = BentLooks(clip, *covered(clip, MOST))
    for k, name in names.items():
        assert (f"{part_path(name)}/splats", "GaussianSplats3D:centers") not in read.values, "not at rest too"
        kinds = ("centers", "scales", "quaternions", "colors")
        logged = {w: read(f"{bent_path(name)}/splats", f"GaussianSplats3D:{w}") for w in kinds}
        assert list(logged["centers"]) == list(range(clip.frame_count))
        for frame in (0, clip.frame_count - 1):
            places, covariances = rendered(clip, frame)[k]
            np.testing.assert_allclose(logged["centers"][frame], places, atol=1e-6)
            turns = np.array(logged["quaternions"][frame])[:, [3, 0, 1, 2]]
            axes = np.stack([matrix_from_quat(q) for q in turns]) * np.array(logged["scales"][frame])[:, None]
            size = np.linalg.norm(covariances, axis=(1, 2), keepdims=True)
            assert (np.abs(axes @ axes.transpose(0, 2, 1) - covariances) / size).max() < 1e-5
            look = next(one for one in looks.at(frame) if one.id == k)
            colors = np.array(logged["colors"][frame], np.uint32)
            assert (colors >> 24 == look.colors[:, 0]).all()
            assert (colors & 255 == np.rint(look.opacities * 255)).all()
    assert ("world/parts/post/splats", "GaussianSplats3D:centers") in read.values


def test_a_long_recording_has_fewer_splats_of_each_body(
    clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames, bodies = clip.frame_count, 3
    monkeypatch.setattr(recording, "BENT_BYTES", recording.SPLAT_BYTES * frames * bodies * 99)
    write_recording(clip, tmp_path / "bent.rrd", MOST)
    centres = Read(tmp_path / "bent.rrd")(f"{bent_path('jelly')}/splats", "GaussianSplats3D:centers")
    assert [len(c) for c in centres.values()] == [100] * frames
