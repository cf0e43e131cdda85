"""One error tree. An error is one clear line: what is wrong, where, and what to do about it."""

from __future__ import annotations


class CdpError(Exception):
    """A failure that a user can act on.

    `what` says what is wrong, `where` the file, line or table, `hint` what to do. None of the three may
    hold personal data: they end up in logs. `exit_code` is the command line's, `http_status` and `code`
    are the API's.
    """

    exit_code = 1
    http_status = 500
    code = "defect"

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.what = what
        self.where = where
        self.hint = hint
        super().__init__(self.line())

    def line(self) -> str:
        """The error as one line, newlines folded."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.hint:
            text = f"{text}. {self.hint}"
        return " ".join(text.split())


class UsageError(CdpError):
    """A command was called in a way that it does not know."""

    exit_code = 2
    http_status = 400
    code = "wrong_use"


class ConfigurationError(CdpError):
    """A setting, a mapping or a catalogue is wrong."""

    exit_code = 3
    http_status = 500
    code = "bad_configuration"


class InputRefused(CdpError):
    """A file cannot be read as what it claims to be; nothing of it was taken in."""

    exit_code = 4
    http_status = 422
    code = "input_refused"


class QualityGateFailed(CdpError):
    """The checked tables break their contract; nothing was published."""

    exit_code = 5
    http_status = 500
    code = "quality_gate_failed"


class IdentityError(CdpError):
    """Identities could not be resolved or evaluated."""

    exit_code = 6
    http_status = 500
    code = "identity_problem"


class Unavailable(CdpError):
    """The store or the warehouse is missing, locked, full or out of reach."""

    exit_code = 7
    http_status = 503
    code = "unavailable"


class Busy(Unavailable):
    """Somebody else is writing to the store, and was not done in the time that the caller would wait."""


class NotFound(CdpError):
    """What was asked for by its id does not exist."""

    exit_code = 2
    http_status = 404
    code = "not_found"


class StatementFailed(CdpError):
    """A SQL statement of ours failed: a defect.

    The line names the table and the kind of failure; the database's own message may quote a value, so it stands
    in the traceback (`--debug`) only, as the cause, with the statement.
    """

    def __init__(self, table: str, kind: str, statement: str = "") -> None:
        super().__init__(f"its SQL failed: {kind}", where=table, hint="--debug shows the statement")
        self.statement = statement
        self.add_note(statement)
