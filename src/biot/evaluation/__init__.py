"""What a model's outputs mean, and how good they are."""
