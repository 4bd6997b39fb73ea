"""The material point method: explicit MLS-MPM in Warp, on arrays, without a scene.

Particles carry mass, velocity and deformation; a grid, which exists where particles are, takes their momentum, lets
forces and colliders act, and gives it back (Jiang et al. 2015, "The affine particle-in-cell method"; Jiang et al. 2016,
"The material point method for simulating continuum materials"; Hu et al. 2018, "A moving least squares material point
method").
"""
