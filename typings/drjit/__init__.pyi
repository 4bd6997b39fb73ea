# As Mitsuba, whose arrays it gives.
from typing import Any

def __getattr__(name: str) -> Any: ...
