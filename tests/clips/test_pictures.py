"""Colours of labels mean what the legends say, and the sheets are laid out as they should be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simvid.clips.contact_sheet import Colors, Row, columns, draw_sheet, fitted, font, label_rows, save_png, tile_size
from simvid.clips.pictures import (
    GROUND,
    HIDDEN_BEFORE,
    HIDDEN_BOTH,
    HIDDEN_NEXT,
    LAYERS,
    SCENE_FLOW_KEY,
    UNDEFINED,
    DepthScale,
    alpha_picture,
    amodal_picture,
    flow_picture,
    flow_reach,
    flow_wheel,
    id_colors,
    ids_picture,
    nice_step,
    normals_ball,
    normals_picture,
    object_coords_picture,
    occlusion_picture,
    scene_flow_picture,
    scene_flow_reach,
    turbo,
)
from simvid.frames import Frame
from simvid.testing.refining import sample_frames
from simvid.trajectory import Part

PARTS = (Part("ground", "ground", 1, "ground", "ground", True), Part("box", "box", 2, "body", "box"))


def test_turbo_runs_from_blue_over_green_to_red() -> None:
    low, middle, high = turbo(np.array([0.0, 0.5, 1.0])).astype(int)
    assert low[2] > low[0] + 50
    assert middle[1] > middle[0] and middle[1] > middle[2] + 100  # noqa: PT018  one colour
    assert high[0] > high[2] + 100


def test_depth_scale_ends_where_the_things_are() -> None:
    depth = np.concatenate([np.full(500, 2.0), np.linspace(2, 80, 500), [np.inf]]).astype(np.float32)
    wide = DepthScale.of([depth])
    close = DepthScale.of([depth], [depth == 2.0])
    assert wide.far_m > 60
    assert close.near_m == pytest.approx(2, abs=0.1)
    assert close.far_m == pytest.approx(1.8 * 2)
    assert DepthScale.of([np.full(4, np.inf)]) == DepthScale(0.0, 1.0)


def test_depth_near_is_red_far_is_blue_and_none_is_grey() -> None:
    near, far, none = DepthScale(1, 3).picture(np.array([[1.0, 3.0, np.inf]]))[0].astype(int)
    assert near[0] > near[2] + 100
    assert far[2] > far[0] + 50
    assert tuple(none) == UNDEFINED


def test_ticks_are_round_and_inside() -> None:
    assert DepthScale(0.93, 2.1).ticks(6) == pytest.approx([1.0, 1.2, 1.4, 1.6, 1.8, 2.0])
    wide = DepthScale(0.5, 50)
    assert wide.logarithmic
    assert wide.ticks(6) == pytest.approx([1, 3, 10, 30])
    assert wide.position(np.array([0.5, 5.0, 50.0])) == pytest.approx([0, 0.5, 1])
    assert [nice_step(v) for v in (0.07, 0.2, 0.3, 7.0)] == pytest.approx([0.1, 0.2, 0.5, 10])


def test_ids_have_their_colour_for_ever_and_neighbours_differ() -> None:
    few, many = id_colors(5), id_colors(200)
    assert np.array_equal(few, many[:6])
    assert tuple(few[0]) == UNDEFINED
    assert tuple(id_colors(5, {1})[1]) == GROUND
    for step in range(1, 6):
        apart = np.linalg.norm(many[1 + step :].astype(float) - many[1:-step], axis=1)
        assert apart.min() > 40, step
    assert len(np.unique(many, axis=0)) > 190
    assert np.array_equal(ids_picture(np.array([[0, 3]], np.int32), few)[0], few[[0, 3]])


def test_normals() -> None:
    normals = np.array([[[0, 0, -1], [1, 0, 0], [0, -1, 0], [0, 0, 0]]], np.float32)
    towards, right, up, none = normals_picture(normals)[0].astype(int)
    assert towards.tolist() == [128, 128, 255]
    assert right.tolist() == [255, 128, 128]
    assert up.tolist() == [128, 255, 128]
    assert tuple(none) == UNDEFINED
    ball = normals_ball(64)
    assert ball[32, 60, 0] > 230
    assert ball[4, 32, 1] > 230
    assert tuple(ball[0, 0]) == UNDEFINED


def test_flow_has_the_colours_of_the_wheel() -> None:
    flow = np.array([[[0, 0], [4, 0], [0, 4], [-4, 0], [8, 0], [np.nan, 0]]], np.float32)
    still, right, down, left, farther, none = flow_picture(flow, 4.0)[0].astype(int)
    assert still.tolist() == [255, 255, 255]
    assert right.tolist() == [255, 0, 0]
    assert down[0] > 200 and down[1] > 200 and down[2] < 20  # noqa: PT018  yellow
    assert left[2] > 200 and left[0] < 20  # noqa: PT018  cyan to blue
    assert farther.tolist() == right.tolist()
    assert tuple(none) == UNDEFINED
    wheel = flow_wheel(64)
    assert np.abs(wheel[32, 62].astype(int) - right).max() < 16
    assert np.abs(wheel[62, 32].astype(int) - down).max() < 16


def test_flow_reach_is_that_of_what_moves() -> None:
    flow = np.zeros((100, 100, 2), np.float32)
    assert flow_reach([flow]) == 1.0
    flow[:5, :, 0] = 12.0
    assert flow_reach([flow]) == pytest.approx(12.0)
    flow[0, 0] = np.nan
    assert flow_reach([flow]) == pytest.approx(12.0)


def test_occlusion_and_alpha() -> None:
    rgb = np.full((1, 4, 3), 100, np.uint8)
    forward, backward = np.array([[1, 0, 1, 0]], bool), np.array([[0, 1, 1, 0]], bool)
    next_, before, both, seen = occlusion_picture(rgb, forward, backward)[0]
    assert [tuple(c) for c in (next_, before, both)] == [HIDDEN_NEXT, HIDDEN_BEFORE, HIDDEN_BOTH]
    assert len(set(seen.tolist())) == 1
    assert alpha_picture(np.array([[0, 0.5, 1]]))[0, :, 0].tolist() == [0, 128, 255]


def test_layers_of_amodal_masks() -> None:
    masks = np.zeros((4, 1, 10), np.bool_)
    masks[0, 0, 2:], masks[1, 0, 4:], masks[2, 0, 6:], masks[3, 0, 6:] = True, True, True, True
    picture = amodal_picture(np.packbits(masks, axis=-1), 10)
    assert picture.shape == (1, 10, 3)
    np.testing.assert_array_equal(picture[0], LAYERS[[0, 0, 1, 1, 2, 2, 3, 3, 3, 3]])


def test_object_coordinates_are_red_green_blue() -> None:
    coords = np.array([[[0, 0, 0], [1, 0, 0], [0, 0.5, 1], [np.nan] * 3]], np.float32)
    assert object_coords_picture(coords)[0].tolist() == [[0, 0, 0], [255, 0, 0], [0, 128, 255], list(UNDEFINED)]


def test_scene_flow_has_the_colours_of_its_legend() -> None:
    ways = {"right": (0.1, 0, 0), "up": (0, -0.1, 0), "nearer": (0, 0, -0.1)}
    for name, color in SCENE_FLOW_KEY:
        assert scene_flow_picture(np.array([[ways[name]]], np.float32), 0.1)[0, 0].tolist() == list(color)
    assert scene_flow_picture(np.full((1, 1, 3), np.nan), 0.1)[0, 0].tolist() == list(UNDEFINED)
    still, moving = np.zeros((4, 4, 3)), np.zeros((4, 4, 3))
    moving[0, 0, 1] = 0.25
    assert scene_flow_reach([still, moving]) == pytest.approx(0.25)
    assert scene_flow_reach([still]) == scene_flow_reach([]) == 1e-3


def test_a_sheet_of_every_label() -> None:
    base = sample_frames(2)
    more = [
        replace(f, depth_surface=f.depth, object_coords=np.zeros((32, 48, 3), np.float32),
                scene_flow=np.zeros((32, 48, 3), np.float32), amodal=np.zeros((2, 32, 6), np.uint8))
        for f in base
    ]  # fmt: skip
    rows = label_rows(more, Colors.of(more, PARTS), (264, 176))
    assert [r.name for r in rows] == ["depth", "depth_surface", "ids", "amodal", "normals", "object_coords", "flow",
                                      "scene_flow", "occlusion", "alpha"]  # fmt: skip
    assert all(r.legend is not None and r.note for r in rows)


@pytest.mark.parametrize("height", [1, 8, 16, 17, 18])
def test_legends_of_very_low_pictures(height: int) -> None:
    frames = sample_frames(2)
    for row in label_rows(frames, Colors.of(frames, PARTS), (264, height)):
        assert row.legend is not None
        assert len(row.legend) == height


def test_columns_are_spread_and_leave_out_the_last() -> None:
    assert columns(49) == [0, 12, 24, 35, 47]
    assert columns(3) == [0, 1]
    assert columns(1) == [0]


def test_a_sheet_shows_every_label_at_every_time(tmp_path: Path) -> None:
    frames = sample_frames(3)
    colors = Colors.of(frames, PARTS)
    rows = [Row("rgb", "", tuple(f.rgb for f in frames)), *label_rows(frames, colors, tile_size(48, 32))]
    assert [r.name for r in rows] == ["rgb", "depth", "ids", "normals", "flow", "occlusion", "alpha"]
    assert all(len(r.tiles) == 3 for r in rows)
    sheet = draw_sheet("title", "subtitle", ["a", "b", "c"], rows)
    width, height = tile_size(48, 32)
    assert sheet.shape[0] > 7 * height
    assert sheet.shape[1] > 3 * width
    shown = {tuple(c) for c in sheet.reshape(-1, 3).tolist()}
    assert {tuple(int(v) for v in colors.ids[k]) for k in (1, 2)} <= shown
    save_png(tmp_path / "a.png", sheet)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_labels_that_are_not_there_have_no_row() -> None:
    bare = [Frame(f.rgb, depth=f.depth) for f in sample_frames(2)]
    assert [r.name for r in label_rows(bare, Colors.of(bare, ()), (264, 176))] == ["depth"]


def test_a_traced_picture_is_shown_as_it_is() -> None:
    frames = [replace(Frame(f.rgb), traced=255 - f.rgb) for f in sample_frames(2)]
    colors = Colors.of(frames, ())
    (row,) = label_rows(frames, colors, (264, 176))
    assert (row.name, row.note) == ("traced", "by a few paths")
    np.testing.assert_array_equal(colors.pictures(frames[1])["traced"], frames[1].traced)


def test_long_texts_are_cut() -> None:
    text = fitted("a very long title " * 20, 200, 15)
    assert text.endswith("…")
    assert font(15).getlength(text) <= 200
    assert fitted("short", 200, 15) == "short"
