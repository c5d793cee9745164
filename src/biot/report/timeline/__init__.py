"""The timeline of a recording: its signals, probabilities and events as a page holds them."""
