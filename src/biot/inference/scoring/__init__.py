"""How well a model finds events and stages sleep in whole recordings."""
