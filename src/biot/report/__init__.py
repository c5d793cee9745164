"""Pages that people look at: one HTML file each, which needs no other and no network."""

__all__: list[str] = []
