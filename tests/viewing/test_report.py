"""The report page: its numbers, its drawings, and that it needs nothing but itself."""

from __future__ import annotations

import base64
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from simvid.clip import Clip
from simvid.clips.records import Backend, CameraGateRecord, GateRecord, RefinedRecord
from simvid.errors import SimvidError
from simvid.trajectory import Contacts
from simvid.viewing import report as reports
from simvid.viewing.charts import HEIGHT, LEFT, RIGHT, TOP, WIDTH, line_chart, ticks
from simvid.viewing.report import contact_series, energies_j, report, write_report

LEFT_TOP = np.array([LEFT, TOP])
G = np.array([0, 0, -9.81])


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        self.text += data + " "


def test_the_page_stands_for_itself(flying_clip: Clip, tmp_path: Path) -> None:
    path = tmp_path / "flying.html"
    write_report(flying_clip, path)
    assert [p.name for p in tmp_path.iterdir()] == ["flying.html"]
    page = Page(path.read_text())
    assert "script" not in page.tags
    assert page.tags.count("video") == 2
    assert all(source.startswith("data:") for source in page.sources)
    video = next(source for source in page.sources if source.startswith("data:video/mp4"))
    assert base64.b64decode(video.split(",")[1]) == flying_clip.video("front").read_bytes()
    for words in ("A ball and a box fly past a post.", "flow_returns", "passed", "cube", flying_clip.content_hash):
        assert words in page.text
    laws = ("energy:", "momentum:", "spin:", "jumps:", "speed:")
    assert all(law in page.text for law in laws)
    assert page.tags.count("svg") == 3 + len(laws), "laws, energy and contacts; there is no robot"


def test_refinements_are_shown_and_judged(flying_clip: Clip, tmp_path: Path) -> None:
    shutil.copytree(flying_clip.path, tmp_path / "clip")
    video = flying_clip.video("front").read_bytes()
    backend = Backend(entry="r", backend="r", version="1", settings={})
    limits = {"mismatch": {"most": 0.5}}
    camera = CameraGateRecord(
        camera="front", accepted=False, measured={"mismatch": 1.25}, limits=limits, failed=("mismatch",),
        worst_frame=0, worst_px=(1, 2), instances=(),
    )  # fmt: skip
    gate = GateRecord(accepted=False, weights_sha256="0", cameras=(camera,))
    made = []
    for name, data in (("same", video), ("other", video + b"\0")):
        (tmp_path / "clip/refined" / name).mkdir(parents=True)
        (tmp_path / "clip/refined" / name / "front.mp4").write_bytes(data)
        made.append(RefinedRecord(name=name, refiner=backend, look="x", seed=1, cameras=("front",), keys={}, gate=gate))
    record = flying_clip.record.model_copy(update={"refined": tuple(made)})
    page = Page(report(Clip(tmp_path / "clip", record)))
    shown = [base64.b64decode(s.split(",")[1]) for s in page.sources if s.startswith("data:video/mp4")]
    assert sorted(shown) == sorted([video, video + b"\0", flying_clip.video("side").read_bytes()])
    assert "front, refined by other" in page.text
    assert "front, refined by same" not in page.text, "it is the video as rendered"
    assert "mismatch 1.25 (at most 0.5)" in page.text


def test_what_is_too_large_is_named_instead(flying_clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "LARGEST_VIDEO", 10)
    page = Page(report(flying_clip))
    assert "video" not in page.tags
    assert str(flying_clip.video("front")) in page.text


def test_names_are_escaped(flying_clip: Clip) -> None:
    drawn = {"a": {"b": [0.123456789, "<script>c"]}}
    record = flying_clip.record.model_copy(update={"name": "<script>a", "description": "<script>b", "sampled": drawn})
    page = Page(report(Clip(flying_clip.path, record)))
    assert "script" not in page.tags
    assert "<script>a" in page.text
    assert "<script>b" in page.text
    assert "{b: [0.1235, <script>c]}" in page.text


def test_the_energy_of_free_fall_stays(flying_clip: Clip) -> None:
    trajectory = flying_clip.trajectory
    energies = energies_j(trajectory, G)
    ball, cube = trajectory.masses_kg[[1, 2]]
    assert energies["kinetic"][0] == pytest.approx(ball * 1.25 / 2 + cube * 0.5 / 2, rel=1e-6), (
        "(0.5, 0, 1), (-0.5, 0, 0.5)"
    )
    rise = trajectory.poses[-1, [1, 2], 2] - trajectory.poses[0, [1, 2], 2]
    assert energies["height"][-1] == pytest.approx(9.81 * (ball * rise[0] + cube * rise[1]))
    assert energies["sum"] == pytest.approx(np.full(4, energies["sum"][0]), rel=1e-6)


def test_contacts_are_counted_and_impulses_summed(flying_clip: Clip) -> None:
    vectors = np.array([[3.0, 0, 4], [0, 2, 0], [0, 0, 0]])
    table = Contacts(
        frame=np.array([1, 1, 2], np.int32), time_s=np.zeros(3), id_a=np.array([1, 2, 1], np.int32),
        id_b=np.array([2, 3, 2], np.int32), point_m=np.zeros((3, 3)), normal=np.zeros((3, 3)), impulse_n_s=vectors,
        depth_m=np.zeros(3), event=np.array([0, 1, 2], np.uint8),
    )  # fmt: skip
    count, impulse = contact_series(replace(flying_clip.trajectory, contacts=table))
    assert count.tolist() == [0, 2, 0, 0], "what has ended is not counted"
    assert impulse.tolist() == [0, 7, 0, 0]


def test_a_chart_puts_values_where_its_axes_say() -> None:
    times = np.array([0.0, 0.5, 1.0])
    chart = line_chart("a < b", "m", times, {"x": np.array([0.0, 2.0, 1.0]), "y": np.array([1.0, np.nan, 2.0])})
    lines = [
        np.array([[float(v) for v in p.split(",")] for p in m.split()]) for m in re.findall(r'points="([^"]*)"', chart)
    ]
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - 30
    assert np.allclose(lines[0], LEFT_TOP + np.array([[0, down], [across / 2, 0], [across, down / 2]]))
    assert [len(line) for line in lines] == [3, 1, 1], "NaN leaves a gap"
    assert "a &lt; b" in chart
    assert len(set(re.findall(r'stroke="(#[0-9a-f]{6})"', chart))) == 2


@pytest.mark.parametrize("at", [1000, 1001, 2499])
def test_a_long_chart_keeps_its_peaks_and_gaps(at: int) -> None:
    values = np.zeros(2500)
    values[at], values[3 * at // 4 + 1], values[401] = 50, -20, np.nan
    pieces = re.findall(r'points="([^"]*)"', line_chart("x", "N s", np.arange(2500) / 24, {"x": values}))
    points = np.array([[float(v) for v in p.split(",")] for p in " ".join(pieces).split()])
    assert len(pieces) == 2
    assert len(points) < 1010
    assert (np.diff(points[:, 0]) >= 0).all()
    assert (points[:, 1].min(), points[:, 1].max()) == (TOP, HEIGHT - 30)
    assert (points[0, 0], points[-1, 0]) == (LEFT, WIDTH - RIGHT)


def test_a_chart_of_nothing_that_changes() -> None:
    assert "NaN" not in line_chart("still", "", np.array([0.0]), {"x": np.array([5.0])})
    assert line_chart("none", "", np.array([0.0, 1.0]), {"x": np.array([np.nan, np.nan])}).count("polyline") == 0


def test_ticks_are_round() -> None:
    assert ticks(0, 1, 5) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert ticks(-0.031, 0.05, 4) == pytest.approx([0, 0.05])


def test_where_it_cannot_be_written_is_said(flying_clip: Clip, tmp_path: Path) -> None:
    with pytest.raises(SimvidError, match=r"ends in \.html"):
        write_report(flying_clip, tmp_path / "a.pdf")
    with pytest.raises(SimvidError, match="make it first"):
        write_report(flying_clip, tmp_path / "no" / "a.html")
