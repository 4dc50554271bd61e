"""What can go wrong in domain words; a host turns each class into a status and the message into a body."""

from __future__ import annotations


class SlipwayError(Exception):
    """Anything Slipway refuses or fails to do; the message is for people and says what to do next."""


class Invalid(SlipwayError):
    """The request is wrong in itself."""


class Unauthenticated(SlipwayError):
    """Nobody, or nobody we know, is asking."""


class Forbidden(SlipwayError):
    """This is switched off, or not allowed to whoever asks."""


class NotFound(SlipwayError):
    """What was asked for does not exist."""


class Conflict(SlipwayError):
    """The state of things forbids it now; `operation_id` names the operation in the way, when there is one."""

    def __init__(self, message: str, operation_id: str | None = None) -> None:
        super().__init__(message)
        self.operation_id = operation_id


class Unconfirmed(SlipwayError):
    """A destructive request came without its confirmation header."""


class TooMany(SlipwayError):
    """A rate limit is used up for the next `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Failed(SlipwayError):
    """It was tried on the host and failed; `operation_id` names the operation that tells the story."""

    def __init__(self, message: str, operation_id: str | None = None) -> None:
        super().__init__(message)
        self.operation_id = operation_id


class Locked(SlipwayError):
    """Too many wrong passwords: nobody is let in here for the next `retry_after` seconds."""

    def __init__(self, retry_after: int) -> None:
        minutes = -(-retry_after // 60)
        super().__init__(f"Too many wrong passwords. Try again in {minutes} minute{'' if minutes == 1 else 's'}.")
        self.retry_after = retry_after


class Unavailable(SlipwayError):
    """Something we depend on does not answer; waiting may help."""


class Stale(SlipwayError):
    """A conditional write lost: somebody else has written since it was read."""
