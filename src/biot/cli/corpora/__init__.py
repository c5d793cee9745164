"""Commands that make and change corpora."""
