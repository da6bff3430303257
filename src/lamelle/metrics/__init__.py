"""Scores as pure functions of arrays: no state, no torch; an undefined score is NaN, never 0 or 1."""
