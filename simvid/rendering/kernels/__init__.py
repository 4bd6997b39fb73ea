"""What compiled kernels share: how they are compiled, their types, vectors of sixteen lanes, and threads."""
