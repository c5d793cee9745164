"""Events: what probabilities over time amount to, and the files that other programs open."""
