"""The project's errors. Each is one clear line: what is wrong, where, and what to do about it."""

from __future__ import annotations


class CdpError(Exception):
    """A failure that a user can act on.

    `what` says what is wrong, `where` names the file, line or table, `hint` says what to do. They must not contain
    personal data, because they end up in logs. `exit_code` is for the command line, `http_status` and `code` are for
    the API.
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
        """The error as one line, with newlines replaced by spaces."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.hint:
            text = f"{text}. {self.hint}"
        return " ".join(text.split())


class UsageError(CdpError):
    """A command was called with invalid arguments."""

    exit_code = 2
    http_status = 400
    code = "wrong_use"


class ConfigurationError(CdpError):
    """A setting, a mapping or a catalogue is wrong."""

    exit_code = 3
    http_status = 500
    code = "bad_configuration"


class InputRefused(CdpError):
    """An input is invalid; nothing of it was ingested."""

    exit_code = 4
    http_status = 422
    code = "input_refused"


class QualityGateFailed(CdpError):
    """The checked tables violate their contracts; nothing was published."""

    exit_code = 5
    http_status = 500
    code = "quality_gate_failed"


class IdentityError(CdpError):
    """Identities could not be resolved or evaluated."""

    exit_code = 6
    http_status = 500
    code = "identity_problem"


class Unavailable(CdpError):
    """The store or the warehouse is missing, locked, full or unreachable."""

    exit_code = 7
    http_status = 503
    code = "unavailable"


class Busy(Unavailable):
    """Another writer holds the store, and did not finish within the time that the caller was willing to wait."""


class NotFound(CdpError):
    """Nothing exists with the requested id."""

    exit_code = 2
    http_status = 404
    code = "not_found"


class StatementFailed(CdpError):
    """An internal SQL statement failed: a defect.

    The line names the table and the kind of failure. The database's own message may quote a value, so it appears only
    in the traceback (`--debug`), as the cause, together with the statement.
    """

    def __init__(self, table: str, kind: str, statement: str = "") -> None:
        super().__init__(f"SQL statement failed: {kind}", where=table, hint="--debug shows the statement")
        self.statement = statement
        self.add_note(statement)


def require_tuple(name: str, value: object, kind: type) -> None:
    """Refuse one value in place of a tuple of them: a text would be read as the tuple of its letters.

    Raises:
        ConfigurationError: `value` is no tuple of `kind`.
    """
    if not isinstance(value, tuple) or not all(isinstance(one, kind) for one in value):
        hint = "A tuple of one value has a comma: (value,)"
        raise ConfigurationError(f"{name} is not a tuple of {kind.__name__}, but {value!r}", hint=hint)
