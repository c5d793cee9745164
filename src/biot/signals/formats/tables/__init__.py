"""Recordings in tables, a column a channel, as people and devices write them; NumPy archives."""
