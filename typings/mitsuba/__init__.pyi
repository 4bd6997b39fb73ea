# Its stubs describe one variant at a time; here everything is unknown.
from typing import Any

def __getattr__(name: str) -> Any: ...
