"""Extending videos with a tiny random SkyReels-V2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from simvid.errors import AssetError, SceneError
from simvid.refining.pretrained.skyreels import SkyReels, SkyReelsSettings
from simvid.testing.refining import sample_frames

Saved = Callable[[str], str]


def extender(saved: Saved, **options: Any) -> SkyReels:
    common: dict[str, Any] = {"weights_licence": "none", "steps": 3, "guidance": 2.0, "dtype": "float32",
                              "device": "cpu", "threads": 1, "base_frames": 17, "history": 5}  # fmt: skip
    return SkyReels(SkyReelsSettings(model=saved("skyreels"), **{**common, **options}))


VIDEO = np.stack([f.rgb for f in sample_frames(7)])


@pytest.mark.parametrize("count", [1, 12, 30])
@pytest.mark.parametrize("wave", [{}, {"ar_step": 1, "block": 1}, {"ar_step": 2, "block": 2, "base_frames": 21}])
def test_as_many_frames_as_asked(count: int, wave: dict[str, int], saved: Saved) -> None:
    made = extender(saved, **wave)
    new = made.extend(VIDEO, count, prompt="a square", seed=1)
    assert new.shape == (count, 32, 48, 3)
    assert new.dtype == np.uint8
    assert np.array_equal(new, made.extend(VIDEO, count, prompt="a square", seed=1))


def test_history_prompt_and_seed_matter(saved: Saved) -> None:
    made = extender(saved, history_noise=0)
    plain = made.extend(VIDEO, 8, prompt="a square", seed=1)
    assert not np.array_equal(plain, made.extend(VIDEO[:, ::-1], 8, prompt="a square", seed=1))
    assert not np.array_equal(plain, made.extend(VIDEO, 8, prompt="a circle", seed=1))
    assert not np.array_equal(plain, made.extend(VIDEO, 8, prompt="a square", seed=2))
    assert np.array_equal(plain, made.extend(VIDEO[2:], 8, prompt="a square", seed=1)), "only the history is seen"


def test_what_does_not_fit_is_said_before_loading(saved: Saved) -> None:
    with pytest.raises(SceneError, match="base_frames: expected 4k"):
        extender(saved, base_frames=16)
    with pytest.raises(SceneError, match="whole blocks of 5"):
        extender(saved, block=5)
    made = extender(saved)
    with pytest.raises(SceneError, match="a video of 5 frames or more"):
        made.extend(VIDEO[:4], 8, prompt="")
    with pytest.raises(SceneError, match="1 or more frames"):
        made.extend(VIDEO, 0, prompt="")
    assert "pipe" not in vars(made)
    with pytest.raises(AssetError, match="'skyreels' runs SkyReels"):
        SkyReels(SkyReelsSettings(model=saved("wan"), weights_licence="none"))


def test_it_runs_in_bfloat16(saved: Saved) -> None:
    assert len(extender(saved, dtype="bfloat16").extend(VIDEO, 4, prompt="a square")) == 4


def test_only_new_frames_come_back(saved: Saved) -> None:
    """The pipeline gives the history, then the history as it decodes it, then what is new."""
    made = extender(saved)
    real, lengths = made.pipe, list[int]()

    class Numbered:
        tokenizer = real.tokenizer

        def __call__(self, **options: Any) -> Any:
            found = real(**options)
            lengths.append(len(found.frames[0]))
            found.frames[0][:] = np.arange(lengths[-1])[:, None, None, None] / 255
            return found

    vars(made)["pipe"] = Numbered()
    new = made.extend(VIDEO, 12, prompt="a square")
    assert lengths == [5 + 17]
    assert new[:, 0, 0, 0].tolist() == list(range(10, 22))
