"""The one place where markers are skipped and caches are kept out of the user's home."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from simvid.clip import Clip

pytest.register_assert_rewrite("simvid.testing")  # contracts too say what differs
ROOT = Path(__file__).resolve().parent.parent
settings.register_profile("gate", derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))  # HYPOTHESIS_PROFILE=default draws new cases


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if shutil.which("nvidia-smi") is not None:
        return
    skip = pytest.mark.skip(reason="needs a CUDA device")
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def capture_file() -> Path:
    """A real SuperSplat capture, which is not part of the repository."""
    name = os.environ.get("SIMVID_TEST_CAPTURE")
    if not name:
        pytest.skip("set SIMVID_TEST_CAPTURE to a real .compressed.ply to run this")
    return Path(name)


FLYING = """\
simvid: 1
name: flying
description: A ball and a box fly past a post.
duration_s: 0.125
fps: 24
seed: 5
physics: {engine: free_fall}
ground: {}
materials:
  red: {look: {base_color: [0.9, 0.2, 0.1]}}
bodies:
  - name: ball
    shape: {sphere: {radius_m: 0.1}}
    material: red
    pose: {position_m: [0, 0, 0.3]}
    velocity_m_s: [0.5, 0, 1]
  - {name: cube, shape: {box: {size_m: 0.2}}, pose: {position_m: [0.3, 0.2, 0.3]}, velocity_m_s: [-0.5, 0, 0.5]}
  - {name: post, shape: {cylinder: {radius_m: 0.05, length_m: 0.5}}, pose: {position_m: [-0.4, 0.3, 0.25]}, fixed: true}
cameras:
  - {name: front, resolution_px: [64, 48], pose: {look_from_m: [0, -1.6, 0.7], look_at_m: [0, 0, 0.3]}}
  - name: side
    resolution_px: [49, 33]
    orbit: {center_m: [0, 0, 0.3], radius_m: 1.6, height_m: 0.4, sweep_deg: 20}
"""
"""Four frames of two cameras, with an engine of one formula."""


@pytest.fixture(scope="session")
def free_fall() -> Iterator[None]:
    """The engine ``free_fall`` of simvid.testing, registered."""
    from simvid import registry

    with pytest.MonkeyPatch.context() as patch:
        engines = {**registry.BUILT_IN["physics"], "free_fall": "simvid.testing.free_fall:FreeFall"}
        patch.setattr(registry, "BUILT_IN", {**registry.BUILT_IN, "physics": engines})
        yield


@pytest.fixture(scope="session")
def flying_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small scene that needs no engine but ``free_fall``."""
    path = tmp_path_factory.mktemp("scenes") / "flying.yaml"
    path.write_text(FLYING)
    return path


@pytest.fixture(scope="session")
def flying_clip(free_fall: None, flying_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Its clip; do not change it."""
    import simvid

    return simvid.run(flying_file, tmp_path_factory.mktemp("clips"))


TINY = """\
simvid: 1
name: tiny
duration_s: 0.1
fps: 20
seed: 5
physics: {engine: free_fall}
bodies:
  - {name: ball, shape: {sphere: {radius_m: 0.1}}, pose: {position_m: [0, 0, 0.3]}}
  - {name: post, shape: {box: {size_m: 0.2}}, pose: {position_m: [-0.4, 0.3, 0.25]}, fixed: true}
cameras:
  - {name: front, resolution_px: [40, 30], pose: {look_from_m: [0, -1.6, 0.7], look_at_m: [0, 0, 0.3]}}
labels: [depth, ids]
randomize:
  bodies.ball.velocity_m_s[0]: {uniform: [-1, 1]}
  bodies.ball.shape.sphere.radius_m: {uniform: [0.08, 0.12]}
"""
"""Three frames of 40 x 30 px: what is tested is the machinery around them."""


@pytest.fixture(scope="session")
def plug_in(free_fall: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The engine ``free_fall`` for worker processes, which learn of it as of any plug-in: by an entry point."""
    place = tmp_path_factory.mktemp("plug_in")
    info = place / "free_fall-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: free-fall\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[simvid.physics]\nfree_fall = simvid.testing.free_fall:FreeFall\n")
    with pytest.MonkeyPatch.context() as patch:
        known = os.environ.get("PYTHONPATH")
        patch.setenv("PYTHONPATH", f"{place}{os.pathsep}{known}" if known else str(place))
        yield


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene of a moment, which varies."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def squeezenet() -> Any:
    """SqueezeNet with ImageNet's weights, which are not part of the repository."""
    from simvid.perception.fetch import COMMAND
    from simvid.perception.squeezenet import imagenet_features

    net = imagenet_features()
    if net is None:
        pytest.skip(f"fetch the weights to run this:  {COMMAND}")
    return net


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Folder of a tiny random pipeline, by the name of its function in ``simvid.testing.pretrained``; no network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        from huggingface_hub import constants

        from simvid.testing import pretrained

        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        root, done = tmp_path_factory.mktemp("pipelines"), set[str]()

        def folder(name: str) -> str:
            if name not in done:
                getattr(pretrained, f"save_{name}")(root / name)
                done.add(name)
            return str(root / name)

        yield folder


@pytest.fixture(scope="session")
def exported_clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Three frames of two cameras, every label, joints and contacts; do not change it."""
    from simvid.testing.exporting import small_clip

    return small_clip(tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="session")
def second_clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """The same for five frames, under another name."""
    from simvid.testing.exporting import small_clip

    return small_clip(tmp_path_factory.mktemp("exported"), "later", 5)


@pytest.fixture(scope="session")
def lerobot_python(root: Path) -> Path:
    """An interpreter that has lerobot; see ``tests/export/make_lerobot_environment.sh``."""
    path = Path(os.environ.get("SIMVID_LEROBOT_PYTHON") or root / ".venv-lerobot" / "bin" / "python")
    if not path.exists():
        pytest.skip("to run this, make the environment:  tests/export/make_lerobot_environment.sh")
    return path


class Result:
    """What a call of the command line came to."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def simvid_(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command line in this process."""
    from simvid import cli

    def call(*arguments: object) -> Result:
        before = signal.getsignal(signal.SIGTERM)
        try:
            code = cli.main([str(a) for a in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            signal.signal(signal.SIGTERM, before)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def broken(tmp_path: Path, flying_file: Path) -> Path:
    """A scene file with two faults."""
    path = tmp_path / "broken.yaml"
    text = flying_file.read_text().replace("fps: 24", "fps: -24").replace("radius_m: 0.1", "radius: 0.1")
    path.write_text(text)
    return path
