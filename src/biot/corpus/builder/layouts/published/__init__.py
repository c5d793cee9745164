"""One file for each published data set that is known."""
