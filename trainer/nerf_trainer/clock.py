"""The time of day."""

import time


def timestamp() -> str:
    """Now, as RFC 3339: UTC, whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
