"""What a command ends with, apart from what its settings lack."""


class AdminError(Exception):
    """The server could not be asked, or refused."""
