"""Clips in the formats that others read: one format per file, found by name under ``simvid.export``."""
