"""The one error that is the user's to mend."""


class TenchError(Exception):
    """A mistake the user can mend; the message says what, where and how."""
