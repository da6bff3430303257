"""From one file format to another: the same pixels, the same spacing, verified by reading back."""
