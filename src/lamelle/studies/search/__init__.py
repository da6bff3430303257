"""A search for the best keys of a recipe: points that are tried once each, by one process or by many."""
