"""Why a model decides as it does: maps of what in an image speaks for a class, and whether they can be believed."""
