"""What can go wrong, as exceptions that a bot can act on."""

from __future__ import annotations

from typing import Any, Mapping, Optional


class ForetokenError(Exception):
    """The base of every exception of this package."""


class Unreachable(ForetokenError):
    """No answer came, although the request was repeated where that is safe.

    Whether the server acted is not known. For `Client.submit` it is safe to call again: the same
    prediction again gives the same receipt.
    """


class UnexpectedAnswer(ForetokenError):
    """An answer that is not the API's: another program at the address, or a proxy between."""


class ProblemError(ForetokenError):
    """The server refused, and said why (RFC 9457).

    `code` is stable and made for programs; `detail` says what happened to which thing; `remedy`
    says what to do next; `members` holds further fields of the problem.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        remedy: str,
        members: Optional[Mapping[str, Any]] = None,
    ) -> None:
        super().__init__(f"{code} ({status}): {detail} {remedy}".strip())
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.remedy = remedy
        self.members: Mapping[str, Any] = dict(members or {})

    @classmethod
    def from_json(cls, status: int, body: Mapping[str, Any]) -> ProblemError:
        """The exception of a problem's JSON; `LateError` for a missed deadline."""
        known = {"type", "title", "status", "detail", "code", "remedy"}
        members = {name: value for name, value in body.items() if name not in known}
        code = str(body.get("code", "unknown"))
        kind = LateError if code == "late" else cls
        return kind(
            status,
            code,
            str(body.get("title", "")),
            str(body.get("detail", "")),
            str(body.get("remedy", "")),
            members,
        )


class LateError(ProblemError):
    """The deadline passed before the server had read the prediction."""

    @property
    def missed_ms(self) -> Optional[int]:
        """Market milliseconds by which it was missed, at least 1; `None` when not told."""
        missed = self.members.get("missed_ms")
        return missed if isinstance(missed, int) else None
