"""The same again in a fresh process."""

from __future__ import annotations

import subprocess
import sys

_DIGEST = """
import hashlib, importlib.util, sys
spec = importlib.util.spec_from_file_location("t", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(hashlib.sha256(module.everything()).hexdigest())
"""


def fresh_digest(file: str) -> str:
    """SHA-256 of the bytes that ``everything()`` of a Python file makes, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", _DIGEST, file], capture_output=True, text=True, check=True)
    return done.stdout.split()[-1]
