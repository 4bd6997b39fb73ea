"""The rasterizer on an NVIDIA GPU: gsplat, and the labels that it has not."""
