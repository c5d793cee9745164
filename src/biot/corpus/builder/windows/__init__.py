"""Windows of recordings: where they lie, and which labels they get."""
