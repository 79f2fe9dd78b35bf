"""Why one output could not be made; the others are made all the same."""


class OutputError(Exception):
    """The message is a sentence for people, and says what to do."""
