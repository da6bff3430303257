"""Reads a Run's curves, scores and recipe, and says in words what was wrong with the training and what to try next."""
