"""Which images belong together: patients, animals, slides, volumes; said by a column, a folder, a name or a header."""
