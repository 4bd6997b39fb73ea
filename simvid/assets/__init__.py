"""Assets: files and shapes become meshes, colliders and Gaussians. Heavy readers load on first use."""
