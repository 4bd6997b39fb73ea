"""Scene and trajectory to frames: camera, posing, shading, and the rasterizers behind one ``rasterize``.

``raster`` holds the interface and the rules; ``reference`` follows them slowly and plainly; ``cpu`` follows them fast.
"""
