"""The probe: a small network of our own that reads depth, normals and outlines off a picture; for the gate."""
