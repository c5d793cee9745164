"""Commands that make, score and pass on models."""
