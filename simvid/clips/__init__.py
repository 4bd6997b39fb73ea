"""The clip on disk: its record, arrays, videos, pictures, and the store of stage results."""
