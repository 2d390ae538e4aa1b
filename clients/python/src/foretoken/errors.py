"""What can go wrong, as exceptions that a bot can act on."""

from __future__ import annotations

from typing import Any, Mapping, Optional


#: What was missed: the deadline, or the last moment to open a seal.
LATE = frozenset({"late", "seal-late"})


class ForetokenError(Exception):
    """The base of every exception of this package."""


class Unreachable(ForetokenError):
    """No answer came, although the request was repeated where that is safe. Nothing was changed."""


class OutcomeUnknown(Unreachable):
    """No answer came to a request that changes something, so it may have acted or not.

    Not a failure: look before you act again. A prediction may simply be posted again (the same one
    gives the same receipt), or looked up with `Client.prediction`.
    """


class UnexpectedAnswer(ForetokenError):
    """An answer that is not the API's: another program at the address, or a proxy between."""


class ProblemError(ForetokenError):
    """The server refused, and said why (RFC 9457).

    `code` is stable and made for programs; `detail` says what happened to which thing; `remedy`
    says what to do next; `members` holds further fields of the problem; `retry_after_s` is how long
    the server asked to wait, when it did.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        remedy: str,
        members: Optional[Mapping[str, Any]] = None,
        retry_after_s: Optional[float] = None,
    ) -> None:
        super().__init__(f"{code} ({status}): {detail} {remedy}".strip())
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.remedy = remedy
        self.members: Mapping[str, Any] = dict(members or {})
        self.retry_after_s = retry_after_s

    @classmethod
    def from_json(
        cls, status: int, body: Mapping[str, Any], retry_after_s: Optional[float] = None
    ) -> ProblemError:
        """The exception of a problem's JSON, of the kind that its code and status have."""
        known = {"type", "title", "status", "detail", "code", "remedy"}
        members = {name: value for name, value in body.items() if name not in known}
        code = str(body.get("code", "unknown"))
        kind = LateError if code in LATE else RateLimited if status == 429 else cls
        title, detail, remedy = (str(body.get(name, "")) for name in ("title", "detail", "remedy"))
        return kind(status, code, title, detail, remedy, members, retry_after_s)


class LateError(ProblemError):
    """The deadline, or the last moment to open a seal, passed before the server had read it."""

    @property
    def missed_ms(self) -> Optional[int]:
        """Market milliseconds by which it was missed, at least 1; `None` when not told."""
        missed = self.members.get("missed_ms")
        return missed if isinstance(missed, int) else None


class RateLimited(ProblemError):
    """Too many requests; `retry_after_s` says when to come back. Nothing was changed."""
