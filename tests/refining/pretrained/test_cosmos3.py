"""Cosmos 3 on tiny random weights, with a stand-in for its guardrail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from simvid.errors import AssetError, SimvidError
from simvid.frames import Frames
from simvid.refining.controls import control_videos
from simvid.refining.pretrained import cosmos3
from simvid.refining.pretrained.cosmos3 import HINTS, RULE, Cosmos3, Cosmos3Settings
from simvid.testing.pretrained import GuardrailChecker, play_guardrail
from simvid.testing.refining import RefinerContract, sample_context, sample_frames

Saved = Callable[[str], str]


@pytest.fixture
def guard() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        play_guardrail(patch)
        patch.setattr(cosmos3, "find_spec", lambda name: object())
        yield


def made(saved: Saved, count: int = 5, **options: Any) -> Any:
    common: dict[str, Any] = {
        "model": saved("cosmos3"), "weights_licence": "none", "steps": 2, "guidance": 2.0, "dtype": "float32",
        "device": "cpu", "threads": 1, "guardrail": False,
    }  # fmt: skip
    return Cosmos3(Cosmos3Settings(**{**common, **options})).in_clip(sample_context(count))


def pictures(refiner: Any, count: int = 5, look: str = "as_rendered", seed: int = 0) -> Any:
    return np.stack(list(refiner.refine(sample_frames(count), look=look, seed=seed)))


class TestCosmos3(RefinerContract):
    saved: Saved

    @pytest.fixture(autouse=True)
    def _folders(self, saved: Saved) -> None:
        self.saved = saved

    def refiner(self) -> Any:
        return made(self.saved)


def test_what_it_is_told_matters(saved: Saved) -> None:
    plain = pictures(made(saved))
    assert not np.array_equal(pictures(made(saved), look="sunset"), plain)
    assert not np.array_equal(pictures(made(saved), seed=1), plain)
    assert not np.array_equal(pictures(made(saved, control_guidance=20.0)), plain)
    assert not np.array_equal(pictures(made(saved, controls=("disparity",))), plain)


@pytest.mark.parametrize("controls", [("blur",), ("palette", "disparity"), ("edges", "palette", "blur", "disparity")])
def test_the_model_sees_the_controls(controls: tuple[str, ...], saved: Saved) -> None:
    """Each control video, padded, under the model's name for it, at the clip's own rate."""
    refiner, seen = made(saved, controls=controls), list[Any]()
    pipe = refiner.pipe

    def spy(**given: Any) -> Any:
        seen.append(given)
        return pipe(**given)

    refiner.__dict__["pipe"] = spy
    pictures(refiner)
    frames = Frames.stack(sample_context(5).camera, sample_frames(5))
    (given,) = seen
    assert set(given["control_videos"]) == {HINTS[name] for name in controls}  # type: ignore[index]
    assert given["fps"] == sample_context(5).trajectory.fps
    for name in controls:
        shown = np.stack([np.asarray(p) for p in given["control_videos"][HINTS[name]]])  # type: ignore[index]
        assert np.array_equal(shown, RULE.padded(control_videos(frames, (name,))[name]))


def test_a_chunk_begins_with_what_was_refined(saved: Saved) -> None:
    refiner, seen = made(saved, 9, chunk=5, overlap=2), list[Any]()
    pipe = refiner.pipe

    def spy(**given: Any) -> Any:
        seen.append((given["video"], given["num_first_chunk_conditional_frames"], pipe(**given)))
        return seen[-1][2]

    refiner.__dict__["pipe"] = spy
    assert len(pictures(refiner, 9)) == 9
    assert [known for _, known, _ in seen] == [0, 2, 2]
    assert seen[0][0] is None
    shown = np.stack([np.asarray(p) for p in seen[1][0]])
    height, width = sample_frames(1)[0].rgb.shape[:2]
    before = np.round(np.clip(seen[0][2][3:5, :height, :width], 0, 1) * 255)
    assert np.abs(shown[:, :height, :width] - before).max() <= 1


def test_it_shows_no_progress_bar_of_its_own(saved: Saved, capsys: pytest.CaptureFixture[str]) -> None:
    pictures(made(saved))
    assert "it/s" not in capsys.readouterr().err


def test_it_runs_in_bfloat16(saved: Saved) -> None:
    assert len(pictures(made(saved, dtype="bfloat16"))) == 5


def test_its_parts_come_from_its_folder_whatever_the_index_says(saved: Saved) -> None:
    specs = made(saved).pipe._component_specs
    assert specs["transformer"].pretrained_model_name_or_path == saved("cosmos3")


def test_another_family_is_refused(saved: Saved) -> None:
    with pytest.raises(AssetError, match=r"'cosmos3' runs Cosmos3OmniBlocks or .* holds a WanPipeline"):
        made(saved, model=saved("wan"))


def test_the_guardrail_is_asked_and_its_refusals_are_errors(
    saved: Saved, guard: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded, free = pictures(made(saved, guardrail=True)).astype(int), pictures(made(saved))
    assert np.abs(guarded - free).max() <= 1, "the guardrail's way to bytes rounds down"
    with pytest.raises(SimvidError, match=r"guardrail refuses the prompt .*bomb"):
        pictures(made(saved, guardrail=True, prompt="a bomb"))
    monkeypatch.setattr(GuardrailChecker, "refuse_pictures", True)
    with pytest.raises(SimvidError, match="guardrail refuses the pictures"):
        pictures(made(saved, guardrail=True))


def test_a_missing_guardrail_is_said_at_once(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosmos3, "find_spec", lambda name: None)
    with pytest.raises(SimvidError, match=r"'cosmos_guardrail' too.*or set guardrail: false"):
        made(saved, guardrail=True)


def test_offloading_is_the_component_managers(saved: Saved) -> None:
    asked = list[str]()

    def enable(device: str) -> None:
        asked.append(device)

    manager = SimpleNamespace(enable_auto_cpu_offload=enable)
    made(saved)._offload(SimpleNamespace(_components_manager=manager))
    assert asked == ["cuda"]
