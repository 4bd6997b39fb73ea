"""Wrong folders, pickles, other families, missing packages and too little memory: one clear error, before any work."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simvid.errors import AssetError, MissingExtraError, SimvidError
from simvid.refining.pretrained import loading, weights
from simvid.refining.pretrained.wan import WanVace, WanVaceSettings, WanVideo, WanVideoSettings
from simvid.refining.pretrained.weights import Weights, check_memory, find_weights, library

Saved = Callable[[str], str]


def vace(model: str, **options: Any) -> WanVace:
    return WanVace(WanVaceSettings(model=model, weights_licence="none", **options))


def test_another_family_is_refused(saved: Saved) -> None:
    with pytest.raises(AssetError, match=r"'wan_vace' runs WanVACEPipeline, but this folder holds a WanPipeline"):
        vace(saved("wan"))


def test_two_transformers_are_refused(saved: Saved, tmp_path: Path) -> None:
    folder = shutil.copytree(saved("wan"), tmp_path / "two")
    index = json.loads((folder / "model_index.json").read_text())
    index["transformer_2"] = index["transformer"]
    (folder / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(AssetError, match="two transformers"):
        WanVideo(WanVideoSettings(model=str(folder), weights_licence="none"))


def test_no_such_folder_and_no_such_id() -> None:
    with pytest.raises(AssetError, match=r"expected a folder, or the id of a model .* got './nowhere'"):
        vace("./nowhere")
    with pytest.raises(AssetError, match=r"not in the Hugging Face cache .*hf download nobody/nothing"):
        vace("nobody/nothing")


def test_the_hub_is_asked_as_the_settings_say(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def snapshot(name: str, **options: Any) -> str:
        asked.append({"name": name, **options})
        return saved("wan_vace")

    monkeypatch.setattr(library("huggingface_hub"), "snapshot_download", snapshot)
    found = vace("a/b", revision="abc", local_files_only=False)
    assert found.weights.family == "WanVACEPipeline"
    find_weights("a/b", revision=None, local_files_only=True)
    assert [(a["name"], a["revision"], a["local_files_only"]) for a in asked] == [
        ("a/b", "abc", False),
        ("a/b", None, True),
    ]
    assert not any(pattern.endswith((".bin", ".pt", ".ckpt")) for pattern in asked[0]["allow_patterns"])


def test_pickles_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "WanVACEPipeline"}')
    (tmp_path / "weights.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(AssetError, match=r"only weights.bin, which may run code"):
        Weights(tmp_path).bytes_as(2)


def test_damaged_files_are_named(saved: Saved, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(saved("wan_vace"), tmp_path / "damaged"))
    file = next(folder.glob("transformer/*.safetensors"))
    file.write_bytes(b"\xff" * 64)
    with pytest.raises(AssetError, match=rf"{file.name} is damaged"):
        vace(str(folder)).refine(iter(()), look="as_rendered", seed=0)
    (folder / "model_index.json").write_text("{")
    with pytest.raises(AssetError, match=r"model_index.json is damaged"):
        vace(str(folder))


def test_too_little_memory_is_said_before_loading(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "free_memory", lambda: 1000)
    with pytest.raises(SimvidError, match=r"needs about .* of memory .* are free; take a smaller model"):
        vace(saved("wan_vace"), device="cpu").refine(iter(()), look="as_rendered", seed=0)


def test_the_estimate_counts_numbers(saved: Saved) -> None:
    """A whole pipeline in float32 is what its files hold, less their headers."""
    found = Weights(Path(saved("wan_vace")))
    sizes = found.bytes_as(4)
    assert set(sizes) == {"transformer", "vae", "text_encoder"}
    torch = library("torch")
    model = library("diffusers").WanVACETransformer3DModel.from_pretrained(found.folder / "transformer")
    assert sizes["transformer"] == sum(w.numel() * torch.float32.itemsize for w in model.state_dict().values())
    needed = int(1.2 * sum(found.bytes_as(2).values()))
    check_memory(found, 2, needed, "memory")
    with pytest.raises(SimvidError):
        check_memory(found, 2, needed - 1, "memory")
    check_memory(found, 2, needed - 1, "memory", offload=True)


def test_a_missing_package_names_the_extra(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: None if name == "transformers" else object())
    with pytest.raises(MissingExtraError, match=r"'wan_vace' needs the package 'transformers'.*\[pretrained\]"):
        vace(saved("wan_vace"))


def test_no_gpu_is_said(saved: Saved) -> None:
    torch = library("torch")

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(SimvidError, match="device: cuda was asked for"):
        _ = vace(saved("wan_vace"), device="cuda").pipe


def test_weights_that_differ_have_other_digests(saved: Saved, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(saved("wan_vace"), tmp_path / "copy"))
    plain = Weights(folder).digest
    assert plain == Weights(Path(saved("wan_vace"))).digest
    file = next(folder.glob("transformer/*.safetensors"))
    content = np.frombuffer(file.read_bytes(), np.uint8).copy()
    content[len(content) // 2] ^= 1
    file.write_bytes(content.tobytes())
    assert Weights(folder).digest != plain


def test_the_record_follows_files_and_not_their_places(saved: Saved, tmp_path: Path) -> None:
    """A folder that is moved, or fetched at another name of the same commit, makes the same pictures."""
    home, style = Path(shutil.copytree(saved("wan_vace"), tmp_path / "moved")), tmp_path / "style.png"
    style.write_bytes(b"one picture")
    options = {"reference": str(style), "threads": 2, "offload": True}
    here, there = vace(saved("wan_vace"), **options), vace(str(home), revision="abc", **options)
    assert here.settings() == there.settings()
    assert here.version() == there.version()
    before = dict(here.settings())
    style.write_bytes(b"another one")
    assert here.settings() != before, "an edited picture is another picture"
    elsewhere = shutil.copy(style, shutil.copytree(home, tmp_path / "further") / "style.png")
    assert vace(saved("wan_vace"), reference=str(elsewhere)).settings() == here.settings()


FRESH = """
import sys
from simvid import registry
for name in registry.BUILT_IN["refining"]:
    registry.load("refining", name)
kind = registry.load("refining", "wan_vace")
refiner = kind(kind.Settings(model=sys.argv[1], weights_licence="none"))
refiner.refine(iter(()), look="sunset", seed=0), refiner.version(), refiner.settings()
print(sorted({"torch", "diffusers", "transformers", "huggingface_hub", "numba"} & set(sys.modules)))
"""


def test_nothing_heavy_is_loaded_before_the_first_picture(saved: Saved) -> None:
    done = subprocess.run([sys.executable, "-c", FRESH, saved("wan_vace")], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_missing_lora_and_reference_are_said(saved: Saved) -> None:
    with pytest.raises(AssetError, match=r"lora: expected a .safetensors file"):
        vace(saved("wan_vace"), lora="nowhere.safetensors")
    with pytest.raises(AssetError, match=r"reference: expected a picture file"):
        vace(saved("wan_vace"), reference="nowhere.png")
