"""Pretraining: an encoder on several corpora."""
