"""Bodies that change their shape: their poses, their maps from rest to any frame, and where their surfaces are."""
