"""The one exception a reader is meant to see: one line saying what, where, and what to do."""


class SelectivityError(ValueError):
    """Bad input, explained in one line; the command line prints it and exits with status 2."""
