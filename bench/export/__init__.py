"""Hands a trained model over as a Hugging Face folder that needs nothing of this project."""
