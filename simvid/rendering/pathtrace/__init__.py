"""The photoreal twin: the same scene and trajectory through Mitsuba 3."""
