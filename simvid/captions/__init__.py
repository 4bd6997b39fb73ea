"""What happens in a clip, in words and as data, from the simulation: things, relations, camera, events."""
