"""What MNE does not read, check or keep of the files that it parses: one file a format."""

__all__: list[str] = []
