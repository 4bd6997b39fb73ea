"""Thin bodies, cloth and rope: explicit, with real stiffnesses, in Warp; on arrays, without the rest of simvid.

``bodies`` are the values, ``stable`` the largest step, ``solver`` advances, ``warp_*`` are the kernels.
"""
