"""One tree of errors for the whole project, and the reasons an image can be quarantined for.

Two families, never mixed:

* `DeidError` stops a job. It carries the exit code that scripts and Airflow branch on.
* `Quarantined` stops one image. It becomes a row with its reason; the image's bytes are not released.

Messages never hold image bytes, plate text, latents, keys or credentials.
"""

from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """Exit codes of every job (the command-line contract)."""

    DONE = 0
    USAGE = 2
    GATE_REFUSED = 3
    AUDIT_VIOLATION = 4
    PUBLISH_CONFLICT = 5


class DeidError(Exception):
    """Base of every error that stops a job with one clear line."""

    exit_code: ExitCode = ExitCode.USAGE


class UsageError(DeidError):
    """Wrong options, paths or environment: nothing was written."""


class PolicyError(UsageError):
    """A policy file that cannot be read, or says something impossible."""


class ModelError(UsageError):
    """A model that is unknown, missing, altered, or under a licence that the policy does not accept."""


class LakeError(UsageError):
    """A lake that cannot be opened or written, or a catalog that is not configured."""


class GateRefused(DeidError):
    """The release gate found a violation on the run's branch; nothing was published."""

    exit_code = ExitCode.GATE_REFUSED


class AuditViolation(DeidError):
    """The audit found a violation in published tables."""

    exit_code = ExitCode.AUDIT_VIOLATION


class PublishConflict(DeidError):
    """Another run published first; nothing was released, and running again is safe."""

    exit_code = ExitCode.PUBLISH_CONFLICT


class Reason(StrEnum):
    """Why an image was quarantined (the `reason` column of the `quarantine` table)."""

    EMPTY = "empty"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    NOT_AN_IMAGE = "not_an_image"
    TRUNCATED = "truncated"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    HASH_MISMATCH = "hash_mismatch"
    DUPLICATE_ID = "duplicate_image_id"
    ERASED = "erased"
    ENCODE_FAILED = "encode_failed"
    INTERNAL = "internal"


class Quarantined(Exception):
    """One image cannot be released.

    Args:
        reason: the machine-readable reason.
        detail: one short line for a person; no content of the image.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail
