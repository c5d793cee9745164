"""Fine-tuning: one model on one labelled corpus."""
