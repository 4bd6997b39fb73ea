"""Colours and normals of the meshes themselves, averaged over each pixel: what splats blur, a refiner can read here."""
