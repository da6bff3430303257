"""Who trains, who chooses, who judges."""
