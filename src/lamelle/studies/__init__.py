"""Several runs that belong together: a comparison of variants, each with several seeds, on one split."""
