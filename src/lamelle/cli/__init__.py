"""The command line: one function per verb, and nothing that Python could not do."""
