"""Going on with a run: what may be other than in its checkpoint, and what may not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from simvid.errors import SimvidError
from simvid.refining.training.settings import with_defaults

FREE = ("rate", "rate_end", "threads", "save_every", "log_every", "sample_every")
"""Settings that a run may go on with other values of."""
_NAMED = 5


def compared(out: Path, saved: Mapping[str, Any], mine: Mapping[str, Any]) -> tuple[str, ...]:
    """Settings that have changed, and may, each with both values.

    Args:
        out: folder of the run.
        saved: what its checkpoint says of settings, clips and losses.
        mine: what the run that goes on says of them.

    Raises:
        SimvidError: something else differs; the text names that alone.
    """
    before, now = with_defaults(saved.get("settings")), mine["settings"]
    for key, value in mine.items():
        held = list(_differences(before if key == "settings" else saved.get(key), value))
        if held:
            raise SimvidError(f"{out}: holds a run with other {key}: {'; '.join(held)}; choose another folder")
    return tuple(f"{name}: {now[name]}, before {before[name]}" for name in FREE if before[name] != now[name])


def _differences(saved: Any, mine: Any) -> Iterator[str]:
    """What differs, of mappings and lists of names one by one."""
    if isinstance(saved, Mapping) and isinstance(mine, Mapping):
        for name in {**saved, **mine}:
            if name not in FREE and saved.get(name) != mine.get(name):
                yield f"{name}: expected {saved.get(name)}, got {mine.get(name)}"
    elif isinstance(saved, list) and isinstance(mine, list):
        if gone := [name for name in saved if name not in mine]:
            yield f"without {_some(gone)}"
        if new := [name for name in mine if name not in saved]:
            yield f"with {_some(new)}"
        if saved != mine and not gone and not new:
            yield "in another order"
    elif saved != mine:
        yield f"expected {saved}, got {mine}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
