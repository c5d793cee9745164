"""Why: which channels, stretches and bands of a window speak for what a model says of it."""
