"""What organisers are told instead of an answer."""

from tickets.errors import GateError


class LoginRefused(GateError):
    """A login that is refused; the cause does not say which of name, password and code it was."""


class FormRefused(GateError):
    """A form that cannot be used: a field is missing, too long or of another shape."""


class BackupFault(GateError):
    """A copy of the database cannot be made, or is none."""
