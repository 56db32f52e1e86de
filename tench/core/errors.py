"""The error for problems that the user can fix."""


class TenchError(Exception):
    """A problem the user can fix. The message gives what happened, where, and how to fix it."""


class UnreadableError(Exception):
    """A file is not a readable image; the message is the reason."""
