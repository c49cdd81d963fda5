"""What this package raises. No message holds a key, a latent, a code or a utility: only names, shapes and rows."""

from collections.abc import Sequence


class PrivacyError(Exception):
    """Base of every error of this package."""


class InexactNumber(PrivacyError, ValueError):
    """A number that is not exact, or that a DECIMAL column cannot hold exactly."""


class InvalidParameter(PrivacyError, ValueError):
    """A mechanism, budget or accountant was described by something impossible."""


class InvalidValues(PrivacyError, ValueError):
    """Values outside a mechanism's domain; nothing was released.

    Attributes:
        rows: the offending rows of the batch, so that a caller can set them aside and release the rest.
    """

    def __init__(self, message: str, rows: Sequence[int] = ()) -> None:
        self.rows = tuple(int(row) for row in rows)
        shown = f": rows {', '.join(map(str, self.rows[:8]))}{' …' if len(self.rows) > 8 else ''}" if self.rows else ""
        super().__init__(message + shown)


class NoiseKeyError(PrivacyError, ValueError):
    """The noise key is missing, unreadable, too short or not hexadecimal. The message never holds any of it."""


class UnknownEvent(PrivacyError, LookupError):
    """An event of the ledger that names no mechanism and version known here; it is never ignored."""


class MixedGuarantees(PrivacyError, ValueError):
    """Events of different guarantees or neighbour relations met in one composition that did not ask for it."""
