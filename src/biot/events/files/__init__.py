"""Files of events that other programs open: one file a format."""

__all__: list[str] = []
