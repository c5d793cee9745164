"""Many recordings into one folder: found, predicted, resumed, and decided as wholes."""

__all__: list[str] = []
