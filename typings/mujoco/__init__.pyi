# MuJoCo's names come from compiled modules that carry no types; mypy skips it too (pyproject.toml).
from typing import Any

def __getattr__(name: str) -> Any: ...
