"""The one exception that the command line shows as a message instead of a trace."""


class ClusterError(Exception):
    """Something the user can act on; the text says what to do."""
