"""The probe that is shipped: it reads pictures as it was measured, and damaged files are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from simvid.checking.gate.limits import read_limits
from simvid.checking.probe import files
from simvid.checking.probe.files import LIMITS, WEIGHTS, Nets, load_net, save_nets, shipped_limits, shipped_nets
from simvid.checking.probe.net import CompareNet, ProbeNet
from simvid.checking.probe.reading import see
from simvid.errors import AssetError, MissingExtraError


@pytest.fixture(scope="module")
def nets() -> Nets:
    torch.set_num_threads(1)  # on a busy machine two threads wait for each other
    return shipped_nets()


def box_on_floor() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A bright box before a dull floor, shaded as boxes are."""
    picture = np.full((96, 128, 3), 90, np.uint8)
    picture[:40] = (150, 160, 170)
    picture[30:70, 40:90] = (200, 120, 60)
    picture[22:30, 40:90] = (235, 160, 90)
    return picture


def test_it_sees_where_a_box_begins(nets: Nets) -> None:
    found = see(nets.probe, box_on_floor())
    sides = np.concatenate([found.outline[35:60, 38:42].max(axis=1), found.outline[35:60, 88:92].max(axis=1)])
    inside = found.outline[35:60, 55:75]
    assert sides.mean() > 0.5
    assert inside.mean() < 0.1


def test_any_size_is_read(nets: Nets) -> None:
    picture = box_on_floor()[:61, :77]
    found = see(nets.probe, picture)
    assert found.log_depth.shape == (61, 77)
    assert found.outline.shape == (61, 77)
    assert (see(nets.probe, picture).outline == found.outline).all(), "the same picture reads the same"


def test_the_weights_are_small_and_those_of_the_limits() -> None:
    assert WEIGHTS.stat().st_size <= 3_000_000
    assert len(shipped_limits().weights_sha256) == 64
    assert shipped_limits().clip.keys() >= {"mismatch", "instance_mismatch", "robot_hue", "own_time", "moves_on"}


def test_saved_and_loaded_in_half_precision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    nets = {"probe": ProbeNet().eval(), "compare": CompareNet().eval()}
    save_nets(tmp_path / "a.safetensors", **nets)
    for kind, net in nets.items():
        other = load_net(kind, tmp_path / "a.safetensors").state_dict()
        for name, t in net.state_dict().items():
            assert torch.equal(t.half().float() if t.is_floating_point() else t, other[name])


def damaged(kind: str, path: Path) -> None:
    if kind == "cut":
        path.write_bytes(WEIGHTS.read_bytes()[:100_000])
    elif kind == "pickled":
        torch.save(ProbeNet().state_dict(), path)
    elif kind == "other":
        save_file({"probe/weight": torch.zeros(3)}, path)
    elif kind == "nan":
        net = ProbeNet()
        net.leave.bias.data[0] = float("nan")
        save_nets(path, probe=net)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "expected weights as safetensors"),
        ("cut", "expected weights as safetensors"),
        ("pickled", "expected weights as safetensors"),
        ("other", "expected the weights of the probe, got others"),
        ("nan", "NaN or infinite"),
    ],
)
def test_damaged_weights_are_refused(tmp_path: Path, kind: str, said: str) -> None:
    damaged(kind, tmp_path / "weights.safetensors")
    with pytest.raises(AssetError, match=said):
        load_net("probe", tmp_path / "weights.safetensors")


def test_weights_that_are_not_those_of_the_limits_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_nets(tmp_path / "weights.safetensors", probe=ProbeNet(), compare=CompareNet())
    monkeypatch.setattr(files, "WEIGHTS", tmp_path / "weights.safetensors")
    with pytest.raises(AssetError, match="expected weights with SHA-256"):
        shipped_nets()


def test_damaged_limits_are_refused(tmp_path: Path) -> None:
    shutil.copy(LIMITS, tmp_path / "limits.json")
    assert read_limits(tmp_path / "limits.json") == shipped_limits()
    tree = json.loads(LIMITS.read_text())
    for text in ("{", json.dumps({**tree, "weights_sha256": 5}), json.dumps({**tree, "more": 1})):
        (tmp_path / "limits.json").write_text(text)
        with pytest.raises(AssetError, match="expected limits of the gate"):
            read_limits(tmp_path / "limits.json")


def test_without_safetensors_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    with pytest.raises(MissingExtraError, match=r"refine"):
        load_net("probe", WEIGHTS)
