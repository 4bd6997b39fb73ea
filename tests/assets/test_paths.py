"""Which files an asset path may open, and what the errors say."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from simvid.assets import paths
from simvid.assets.paths import content_hash, resolve_asset
from simvid.errors import AssetError


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A scene's folder with meshes/duck.obj, beside a secret."""
    folder = tmp_path / "scene"
    (folder / "meshes").mkdir(parents=True)
    (folder / "meshes" / "duck.obj").write_text("v 0 0 0")
    (tmp_path / "secret.obj").write_text("secret")
    return folder


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that must not be imported, found on sys.path."""
    root = tmp_path / "site" / "boobytrap"
    (root / "assets").mkdir(parents=True)
    (root / "__init__.py").write_text("raise SystemExit('imported')")
    (root / "assets" / "chair.obj").write_text("v 0 0 0")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return root


def test_a_path_relative_to_the_scene(scene: Path) -> None:
    wanted = (scene / "meshes" / "duck.obj").resolve()
    assert resolve_asset("meshes/duck.obj", scene) == wanted
    assert resolve_asset("./meshes/../meshes/duck.obj", scene) == wanted


def test_a_file_of_a_package_is_found_without_importing_it(scene: Path, package: Path) -> None:
    assert resolve_asset("package://boobytrap/assets/chair.obj", scene) == (package / "assets/chair.obj").resolve()
    assert "boobytrap" not in sys.modules


def test_genesis_is_never_executed(scene: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from simvid.assets.paths import resolve_asset\n"
        "try: resolve_asset('package://genesis/assets/meshes/sphere.obj', Path('.'))\n"
        "except ValueError as error: print(error)\n"
        "print('genesis' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=scene)
    assert done.stdout.splitlines()[-1] == "False False"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("../secret.obj", "outside the scene's folder"),
        ("meshes/../../secret.obj", "outside the scene's folder"),
        ("link.obj", "outside the scene's folder"),
        ("folder/secret.obj", "outside the scene's folder"),
        ("/etc/passwd", "absolute"),
        ("~/secret.obj", "absolute"),
        ("\\\\server\\secret.obj", "absolute"),
        ("file:///etc/passwd", "URL"),
        ("https://example.org/a.obj", "URL"),
        ("package://boobytrap/../../../secret.obj", "outside the package 'boobytrap'"),
        ("package://boobytrap//etc/passwd", "absolute"),
        ("package://boobytrap.assets/chair.obj", "name that Python imports"),
        ("package://../secret.obj", "name that Python imports"),
        ("package://os/path", "not installed"),
        ("package://no_such_package/a.obj", "'no_such_package' is not installed"),
        ("meshes", "expected a file, got a folder"),
        ("package://boobytrap", "expected a file, got a folder"),
        ("loop.obj", "cannot be opened|no such file"),
        ("pipe", "neither a file nor a folder"),
        ("a\0b.obj", "expected the path of a file"),
        ("", "expected the path of a file"),
        ("x" * 5000, "cannot be opened"),
    ],
)
def test_nothing_else_is_opened(scene: Path, package: Path, text: str, said: str) -> None:
    (scene / "link.obj").symlink_to(scene.parent / "secret.obj")
    (scene / "folder").symlink_to(scene.parent)
    (scene / "loop.obj").symlink_to("loop.obj")
    os.mkfifo(scene / "pipe")  # opening it would wait for ever
    with pytest.raises(AssetError, match=said):
        resolve_asset(text, scene)
    assert package.exists()


def test_a_link_that_stays_inside_is_followed(scene: Path) -> None:
    (scene / "link.obj").symlink_to("meshes/duck.obj")
    assert resolve_asset("link.obj", scene) == (scene / "meshes/duck.obj").resolve()


@pytest.mark.parametrize(
    "text", ["meshes/duk.obj", "duck.obj", "mesh/duck.obj", "meshes/Duck.OBJ", "meshes/duck/duck.obj"]
)
def test_the_closest_file_is_suggested(scene: Path, text: str) -> None:
    with pytest.raises(AssetError, match=r"no such file in .*did you mean meshes/duck\.obj"):
        resolve_asset(text, scene)


def test_an_empty_folder_suggests_nothing(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="no files at all"):
        resolve_asset("a.obj", tmp_path)


def test_a_missing_genesis_says_how_to_get_its_assets(scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "find_spec", lambda name: None)
    with pytest.raises(AssetError, match=r"simvid\[genesis\].*--no-deps genesis-world"):
        resolve_asset("package://genesis/assets/a.obj", scene)


def test_the_search_for_suggestions_ends(scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "_LISTED", 50)
    for k in range(200):
        (scene / f"far_{k}.obj").touch()
    with pytest.raises(AssetError, match="did you mean far_1"):
        resolve_asset("far_1x.obj", scene)


def test_the_hash_is_that_of_the_content(scene: Path) -> None:
    path = scene / "meshes" / "duck.obj"
    assert content_hash(path) == hashlib.sha256(b"v 0 0 0").hexdigest()
    with pytest.raises(AssetError, match="cannot be read"):
        content_hash(scene / "nothing")
