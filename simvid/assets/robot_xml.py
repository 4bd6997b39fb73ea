"""Robot files as XML: read safely, and every path in them resolved inside the allowed root."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from simvid.errors import AssetError

MAX_XML_BYTES = 64 * 2**20
MAX_INCLUDES = 1000
"""Over all files of one robot; more means that a file includes itself."""


def read_xml(path: Path) -> ElementTree.Element:
    """The root element of an XML file.

    A document type declaration is refused: robots need none, and it is where entities (files read behind one's back,
    text that grows without end) come from.

    Raises:
        AssetError: missing, too large, unparsable, or with a document type declaration.
    """
    try:
        size = path.stat().st_size
        if size > MAX_XML_BYTES:
            raise AssetError(f"{path.name}: expected at most {MAX_XML_BYTES >> 20} MiB of XML, got {size >> 20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise AssetError(f"{path.name}: cannot be read: {error.strerror or error}") from error
    builder = ElementTree.TreeBuilder()
    parser = ElementTree.XMLParser(target=_NoDoctype(builder, path.name))
    try:
        parser.feed(data)
        element: ElementTree.Element = parser.close()
    except ElementTree.ParseError as error:
        raise AssetError(f"{path.name}: not valid XML: {error}") from error
    return element


class _NoDoctype:
    """An ElementTree target that builds as usual and refuses a document type declaration."""

    def __init__(self, builder: ElementTree.TreeBuilder, name: str) -> None:
        self._name = name
        self.start, self.end, self.data, self.close = builder.start, builder.end, builder.data, builder.close

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise AssetError(f"{self._name}: <!DOCTYPE {name}> is not allowed; remove the declaration and its entities")


@dataclass(frozen=True)
class Folder:
    """Where a robot's file stands, and what it may open.

    Attributes:
        home: folder of the file.
        root: package or scene folder; nothing outside is opened.
        file: the file's name, for messages.
    """

    home: Path
    root: Path
    file: str

    def find(self, text: str, *tries: str) -> Path:
        """The existing file that a path of the XML means.

        Args:
            text: as written, for messages.
            tries: paths relative to ``home``, in order.

        Raises:
            AssetError: outside the root, or missing.
        """
        outside = False
        for tried in tries or (text,):
            path = (self.home / PurePosixPath(tried.replace("\\", "/"))).resolve()
            if not path.is_relative_to(self.root.resolve()):
                outside = True
            elif path.is_file():
                return path
        if outside:
            raise AssetError(f"{self.file}: path {text!r} leads outside {self.root.name}/, which is not allowed")
        raise AssetError(f"{self.file}: file {text!r} is missing")

    def find_uri(self, text: str) -> Path:
        """As ``find`` for a URDF's mesh or texture: a relative path, or ``package://NAME/PATH``.

        A package is a folder NAME above the file or beside one of the folders above it (as in a ROS workspace); where
        there is none, NAME/PATH is read relative to the file and the folders above it.
        """
        scheme, mark, rest = text.partition("://")
        if not mark:
            return self.find(text)
        if scheme != "package":
            raise AssetError(f"{self.file}: path {text!r}: expected a relative path or package://NAME/PATH")
        home, root = self.home.resolve(), self.root.resolve()
        levels = len(home.relative_to(root).parts) if home.is_relative_to(root) else 0
        tries = ["../" * up + rest for up in range(levels + 1)]
        name, _, inside = rest.partition("/")
        if root.name == name:
            tries.append("../" * levels + inside)
        return self.find(text, *tries)
