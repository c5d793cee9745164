"""What is told of a run: its folder as it is read, and the sections of its page."""
