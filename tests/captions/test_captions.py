"""Captions, relations, questions, the endpoint, the command."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import simvid
from simvid.captions.all_events import events
from simvid.captions.endpoint import KEY, Endpoint, EndpointError, checked, rewritten
from simvid.captions.events import Event
from simvid.captions.narration import captions, jointed, story
from simvid.captions.questions import _choices, causes, collisions, counterfactual, explanatory, questions, without
from simvid.captions.relations import Relation
from simvid.captions.things import COLORS, color_name, things
from simvid.cli import main
from simvid.clip import Clip
from simvid.errors import PhysicsError, SceneError
from simvid.parsing import parse_scene
from simvid.pipeline import simulate
from simvid.scene import Scene
from simvid.trajectory import Trajectory

LINE = """\
simvid: 1
name: line
duration_s: 0.75
fps: 24
ground: {material: {friction: 0.0}}
bodies:
  - name: cue
    shape: {sphere: {radius_m: 0.05}}
    material: steel
    pose: {position_m: [-0.4, 0, 0.05]}
    velocity_m_s: [1.5, 0, 0]
  - name: red_ball
    shape: {sphere: {radius_m: 0.05}}
    material: {restitution: 0.9, look: {base_color: [0.8, 0.1, 0.1]}}
    pose: {position_m: [-0.15, 0, 0.05]}
  - name: crate
    shape: {box: {size_m: 0.1}}
    material: {friction: 0.1, look: {texture: wood}}
    pose: {position_m: [0.05, 0, 0.05]}
cameras:
  - {name: front, resolution_px: [32, 24], pose: {look_from_m: [0, -1.5, 0.5], look_at_m: [0, 0, 0.05]}}
"""


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """A ball hits a ball, which hits a crate; by the real engine."""
    return simvid.run(parse_scene(LINE, "line.yaml", ".", []), tmp_path_factory.mktemp("line"))


def test_things_have_names_that_differ(line: Clip) -> None:
    named = things(line)
    assert [t.phrase for t in named] == ["the steel cue", "the red ball", "the wooden crate"]
    assert [t.color for t in named][1] == "red"
    assert [t.round for t in named] == [True, True, False]


@pytest.mark.parametrize("name", list(COLORS))
def test_a_colour_is_called_by_its_name(name: str) -> None:
    assert color_name(COLORS[name]) == name


def test_greys_are_no_colours() -> None:
    assert color_name((0.77, 0.76, 0.75)) in ("grey", "white")
    assert color_name((0.1, 0.11, 0.1)) == "black"


def test_the_story_of_three(line: Clip) -> None:
    told = story(line)
    hits = [e.things for e in collisions(told.events)]
    assert hits[:2] == [("cue", "red_ball"), ("red_ball", "crate")]
    assert told.camera.words == "stands still"
    assert Relation("left_of", "cue", "red_ball") in told.relations_first
    second = next(e for e in told.events if e.things == ("red_ball", "crate") and e.kind == "contact")
    assert causes(second, told)[0].things == ("cue", "red_ball")
    assert causes(collisions(told.events)[0], told) == []


def test_copies_on_a_joint_hang(tmp_path: Path) -> None:
    """They swing, and do not fall, as a body without copies does not."""
    swings = LINE[: LINE.index("bodies:")] + """\
bodies:
  - name: bob
    count: 2
    arrange: {line: {start_m: [0, 0, 0.5], step_m: [0.5, 0, 0]}}
    shape: {sphere: {radius_m: 0.05}}
    angular_velocity_rad_s: [0, 5, 0]
    joint: {hinge: {anchor_m: [0, 0, 0.3], axis: [0, 1, 0]}}
""" + LINE[LINE.index("cameras:") :]  # fmt: skip
    clip = simvid.run(parse_scene(swings, "swings.yaml", ".", []), tmp_path)
    assert jointed(clip) == {"bob_0", "bob_1"}
    assert {e.kind for e in story(clip).events} == {"move", "contact"}  # with each other


def test_captions_say_what_happens(line: Clip) -> None:
    found = captions(line, 0)
    assert found == captions(line, 0)
    assert len({captions(line, seed)["long"] for seed in range(8)}) > 4
    for seed in range(6):
        told = captions(line, seed)
        assert re.search(r"The steel cue (hits|touches|comes into contact with|bumps into) the red ball", told["long"])
        assert re.search(r"The red ball .* the wooden crate", told["long"])
        assert "The camera" in told["long"] or "the camera" in told["long"]
        times = [float(t) for t in re.findall(r"(\d\.\d\d) s", told["long"])]
        true = {f"{e.start_s:.2f}" for e in story(line).events}
        assert {f"{t:.2f}" for t in times} <= true
        assert times == sorted(times)
    tree = found["structured"]
    assert [e["kind"] for e in tree["events"]] == [e.kind for e in events(line.trajectory, {"cue", "red_ball"})]
    assert json.loads(json.dumps(tree)) == tree


def test_questions_have_true_answers(line: Clip) -> None:
    found = {q.text: q for q in questions(line, 1)}
    assert found["How many things are there besides the ground?"].answer == 3
    assert found["What colour is the red ball?"].answer == "red"
    assert found["Does the wooden crate move?"].answer == "yes"
    hits = collisions(story(line).events)
    assert found["How many times do two things begin to touch?"].answer == len(hits)
    why = next(q for q in found.values() if q.kind == "explanatory" and "wooden crate" in q.text)
    assert [text for text, right in why.choices if right] == ["the steel cue and the red ball touch at 0.13 s"]
    assert questions(line, 1) == questions(line, 1)


def test_choices_of_what_happens_more_than_once_have_times(line: Clip) -> None:
    """A ball that bounces three times and is hit between: no choice is there twice, none is what is asked about."""
    bounces = [(0.2, ("ground", "red_ball")), (0.3, ("cue", "red_ball")), (0.4, ("ground", "red_ball")),
               (0.6, ("ground", "red_ball")), (0.7, ("red_ball", "crate"))]  # fmt: skip
    hits = tuple(Event("contact", pair, round(t * 24), round(t * 24), t, t) for t, pair in bounces)
    asked = explanatory(replace(story(line), events=hits), np.random.default_rng(0))
    assert len(asked) == 4  # nothing is a reason of the first
    for question in asked:
        texts = [text for text, _ in question.choices]
        assert len(set(texts)) == len(texts) >= 3
        assert not any(f"this: {text}?" in question.text for text in texts)
    second = next(q for q in asked if q.evidence["at_s"] == 0.4)
    assert second.text == "Which of these is responsible for this: the ground and the red ball touch at 0.40 s?"
    assert set(second.choices) == {
        ("the ground and the red ball touch at 0.20 s", True), ("the steel cue and the red ball touch", True),
        ("the ground and the red ball touch at 0.60 s", False), ("the red ball and the wooden crate touch", False),
    }  # fmt: skip
    assert _choices([("a", False), ("a", True), ("b", False)], np.random.default_rng(0)) in (
        (("a", True), ("b", False)), (("b", False), ("a", True)),
    )  # fmt: skip


def test_a_counterfactual_is_simulated(line: Clip) -> None:
    """Without the red ball, the cue ball reaches the crate: nothing in the clip says so."""
    assert ("cue", "crate") not in {e.things for e in events(line.trajectory) if e.kind == "contact"}
    asked = counterfactual(line, story(line), np.random.default_rng(0), simulate)
    without_red = next(q for q in asked if q.text == "What would happen without the red ball?")
    assert ("the steel cue and the wooden crate touch", True) in without_red.choices
    without_cue = next(q for q in asked if q.text == "What would happen without the steel cue?")
    assert ("the red ball and the wooden crate touch", False) in without_cue.choices
    assert without_red.evidence == {"simulated_without": "red_ball", "engine": "newton"}


def test_success_may_name_a_body_that_a_counterfactual_leaves_out(line: Clip) -> None:
    task = {**line.record.scene, "success": [{"apart": {"body": "red_ball", "other": "crate"}}]}
    clip = replace(line, record=line.record.model_copy(update={"scene": task}))
    assert clip.scene.success
    asked = counterfactual(clip, story(clip), np.random.default_rng(0), simulate)
    assert asked == counterfactual(line, story(line), np.random.default_rng(0), simulate)


@pytest.mark.parametrize("error", [SceneError, PhysicsError])
def test_a_body_without_which_the_scene_cannot_run_is_left_in(line: Clip, error: type[Exception]) -> None:
    def picky(scene: Scene) -> Trajectory:
        if "red_ball" not in {body.name for body in scene.bodies}:
            raise error("no such body")
        return simulate(scene)

    left_out = {q.evidence["simulated_without"] for q in questions(line, 0, picky) if q.kind == "counterfactual"}
    assert left_out == {"cue", "crate"}


def test_a_body_that_is_needed_stays(line: Clip) -> None:
    assert without(line.scene, "nobody") is None
    tracked = (
        LINE.replace("{name: front,", "{name: front, track: cue,")
        .replace(", look_at_m: [0, 0, 0.05]", "")
        .replace("look_from_m", "position_m")
    )
    scene = parse_scene(tracked, "line.yaml", ".", [])
    assert without(scene, "cue") is None
    left = without(scene, "crate")
    assert left is not None
    assert [b.name for b in left.bodies] == ["cue", "red_ball"]


def test_predictions_are_of_what_is_not_seen(line: Clip) -> None:
    from simvid.captions.questions import predictive

    told = story(line)
    late = replace(told, duration_s=told.events[-1].start_s)
    for question in predictive(late, np.random.default_rng(0)):
        assert question.seen_s == late.duration_s * 2 / 3
        assert question.seen_s is not None
        pairs = {e.things: e.start_s for e in collisions(told.events)}
        for text, right in question.choices:
            hit = [t for p, t in pairs.items() if all(_says(text, name) for name in p)]
            assert right == bool(hit and hit[0] > question.seen_s)


def _says(text: str, name: str) -> bool:
    return {"cue": "cue", "red_ball": "red ball", "crate": "crate", "ground": "ground"}[name] in text


class Stub(BaseHTTPRequestHandler):
    """Answers as chat completions do, with the text that ``answers`` has for the question."""

    answers: Any = staticmethod(lambda system, user: user)
    asked: list[dict[str, Any]] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Stub.asked.append({**body, "path": self.path, "key": self.headers.get("Authorization")})
        try:
            text = Stub.answers(body["messages"][0]["content"], body["messages"][1]["content"])
        except ZeroDivisionError:
            self.send_error(500)
            return
        data = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    Stub.asked.clear()
    server = HTTPServer(("127.0.0.1", 0), Stub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Endpoint(f"http://127.0.0.1:{server.server_port}/v1", "tiny")
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_rewriting_that_keeps_the_facts_is_taken(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "secret")
    monkeypatch.setattr(Stub, "answers", staticmethod(lambda s, u: "At 0.25 s, the ball strikes the crate."))
    caption = "The ball hits the crate at 0.25 s."
    assert rewritten(caption, ["ball", "crate"], endpoint) == {
        "text": "At 0.25 s, the ball strikes the crate.", "kept": True, "why": ""
    }  # fmt: skip
    (asked,) = Stub.asked
    assert (asked["path"], asked["model"], asked["key"]) == ("/v1/chat/completions", "tiny", "Bearer secret")


@pytest.mark.parametrize(
    ("answer", "why"),
    [("The ball hits something at 0.25 s.", "lost crate"), ("The ball hits the crate at 0.30 s.", "added 0.30")],
)
def test_a_rewriting_that_does_not_is_refused(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, answer: str, why: str
) -> None:
    monkeypatch.setattr(Stub, "answers", staticmethod(lambda s, u: answer))
    found = rewritten("The ball hits the crate at 0.25 s.", ["ball", "crate"], endpoint)
    assert found == {"text": "The ball hits the crate at 0.25 s.", "kept": False, "why": why}


def test_a_check_is_read(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'Well: {"ok": false, "wrong": ["It is blue."]}'
    monkeypatch.setattr(Stub, "answers", staticmethod(lambda s, u: text))
    assert checked("It is blue.", {"color": "red"}, endpoint) == {"ok": False, "wrong": ["It is blue."]}
    monkeypatch.setattr(Stub, "answers", staticmethod(lambda s, u: "yes"))
    with pytest.raises(EndpointError, match="expected JSON with ok and wrong, got 'yes'"):
        checked("It is blue.", {}, endpoint)


def test_an_endpoint_that_fails_is_named(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stub, "answers", staticmethod(lambda s, u: 1 / 0))
    with pytest.raises(EndpointError, match=f"answered 500 .*the key in {KEY}"):
        endpoint.ask("a", "b")
    with pytest.raises(EndpointError, match="no answer as OpenAI"):
        Endpoint("http://127.0.0.1:1/v1", "tiny").ask("a", "b")
    with pytest.raises(EndpointError, match="starts with http"):
        Endpoint("ftp://x", "tiny").ask("a", "b")


def test_the_command(
    line: Clip, endpoint: Endpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / line.path.name
    shutil.copytree(line.path, copy)
    assert main(["caption", str(copy), "--questions"]) == 0
    out = capsys.readouterr().out
    assert "counterfactual: What would happen without the red ball?" in out
    tree = json.loads((copy / "captions.json").read_text())
    assert {"short", "long", "structured", "questions", "seed"} == set(tree)
    Clip.open(copy)
    monkeypatch.setattr(
        Stub, "answers", staticmethod(lambda s, u: '{"ok": true, "wrong": []}' if u.startswith("{") else u.upper())
    )
    words = ["caption", str(copy), "--endpoint", endpoint.url, "--model", "tiny", "-o", str(tmp_path / "x.json")]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["long"] == told["template"]["long"].upper()
    assert told["check"] == {"ok": True, "wrong": []}
    assert main(["caption", str(copy), "--endpoint", endpoint.url]) == 1
    assert "needs the name of a model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--camera", "nope"], 6, "no camera 'nope'; there are front"),
        (["--endpoint", "http://localhost:80x/v1", "--model", "tiny"], 1, "got 'http://localhost:80x/v1'"),
        (["--endpoint", "http://", "--model", "tiny"], 1, "and has a host"),
        (["--endpoint", "http://localhost/v1"], 1, "needs the name of a model"),
        (["--model", "tiny"], 1, "give --endpoint URL too"),
    ],
)
def test_wrong_arguments_are_told_before_the_work(
    line: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    words: list[str], code: int, said: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("simvid.commands.caption.questions", lambda *_: pytest.fail("asked first"))
    out = tmp_path / "captions.json"
    assert main(["caption", str(line.path), "--questions", "-o", str(out), *words]) == code
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_an_answer_that_is_cut_off_is_no_fault(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(self: Stub) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "500")
        self.end_headers()
        self.wfile.write(b"{")

    monkeypatch.setattr(Stub, "do_POST", cut)
    with pytest.raises(EndpointError, match=r"no answer as OpenAI.*IncompleteRead"):
        endpoint.ask("a", "b")


def test_exports_take_the_caption(line: Clip, tmp_path: Path) -> None:
    from simvid.export.job import export

    copy = tmp_path / line.path.name
    shutil.copytree(line.path, copy)
    (copy / "captions.json").write_text(json.dumps({"short": "A ball hits a ball."}))
    export([copy], "cosmos_transfer", tmp_path / "out", options={"min_frames": 1})
    assert json.loads((tmp_path / f"out/captions/{copy.name}.json").read_text())["caption"] == "A ball hits a ball."
