"""Many clips: procedurally varied scenes, and the pairs that refiners learn from."""
