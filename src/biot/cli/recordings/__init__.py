"""Commands that take recordings and a model: predictions and what follows from them."""
