"""The surface meshes of parts, and what a camera sees of them: exact, and independent of any renderer."""
