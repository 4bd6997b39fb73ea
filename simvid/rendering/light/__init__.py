"""Light of a scene: suns, lamps, skies and rooms, their shadows, and what surfaces give back of it."""
