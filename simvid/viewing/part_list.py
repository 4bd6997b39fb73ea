"""The list of parts in the viewer's panel: their colours, names and masses, and boxes to show and hide them."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from simvid.trajectory import Part
from simvid.viewing.content import ShownPart

if TYPE_CHECKING:
    import viser

SWATCH = "display:inline-block;width:.8em;height:.8em;border-radius:2px"
LISTED = 200
"""Rows in the table of parts."""
SWITCHES = 40
"""Boxes to tick; scenes with more instances get one per category."""
ALL, NONE = "all", "none"


class PartList:
    """Which parts are to be seen. ``changed`` is called, from a thread of viser's, when that changes."""

    def __init__(
        self, gui: viser.GuiApi, parts: Sequence[Part], shown: Sequence[ShownPart], changed: Callable[[], None]
    ) -> None:
        self._groups = part_groups(parts)
        buttons = gui.add_button_group("show", (ALL, NONE))
        self._boxes: dict[str, Any] = {name: gui.add_checkbox(name, True) for name in self._groups}
        gui.add_html(parts_table(shown))

        def switch(_: Any) -> None:
            for box in self._boxes.values():
                box.value = str(buttons.value) == ALL

        buttons.on_click(switch)
        for box in self._boxes.values():
            box.on_update(lambda _: changed())

    @property
    def hidden(self) -> frozenset[int]:
        """Ids of the parts that are not to be seen."""
        return frozenset(k for name, ids in self._groups.items() if not self._boxes[name].value for k in ids)


def part_groups(parts: Sequence[Part]) -> dict[str, tuple[int, ...]]:
    """Parts that are shown and hidden together: name -> ids. The ground has its own switch among the layers."""
    listed = [(k, part) for k, part in enumerate(parts, start=1) if part.kind != "ground"]
    by_instance = len({part.instance for _, part in listed}) <= SWITCHES
    groups: dict[str, tuple[int, ...]] = {}
    for k, part in listed:
        name = part.instance if by_instance else part.category
        groups[name] = (*groups.get(name, ()), k)
    return groups


def parts_table(parts: Sequence[ShownPart]) -> str:
    """Colour, id, name, category and mass of each part, as HTML; at most ``LISTED`` rows."""
    rows = []
    for part in parts[:LISTED]:
        color = "#" + bytes(part.color.tolist()).hex()
        mass = "fixed" if part.mass_kg is None else f"{part.mass_kg:.3g} kg"
        swatch = f'<span style="{SWATCH};background:{color}"></span>'
        cells = (swatch, str(part.id), html.escape(part.name), html.escape(part.category), mass)
        rows.append("<tr>" + "".join(f'<td style="padding:1px 6px">{cell}</td>' for cell in cells) + "</tr>")
    if len(parts) > LISTED:
        rows.append(f'<tr><td colspan="5">and {len(parts) - LISTED} more</td></tr>')
    return f'<div style="padding:4px 12px;font-size:.8em"><table>{"".join(rows)}</table></div>'
