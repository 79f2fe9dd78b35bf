"""What the API server's refusals mean."""

import json
import re
from collections.abc import Mapping

#: Answers by which the API server does not admit an object. A denial by policy without a code is a
#: 400 in some of its versions.
_REFUSALS = (400, 403, 413, 422)
#: A webhook that denies chooses the code; where one cannot be called, it is a 500.
_WEBHOOK = re.compile('(admission|calling) webhook "')
_OTHER_UID = re.compile("UID in (the )?precondition")


class ApiError(Exception):
    """The API server said no. `code` is the HTTP status.

    retry_after: seconds that it asks to wait before the call is made again.
    """

    def __init__(self, code: int, message: str, reason: str = "", retry_after: int = 0) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.reason = reason
        self.retry_after = retry_after

    @property
    def refused(self) -> bool:
        """The object is not admitted as it is: a person has to change something."""
        return self.code in _REFUSALS or bool(_WEBHOOK.search(str(self)))

    @property
    def exists(self) -> bool:
        """There is an object of that name. A conflict of quotas is a 409 as well, for instance."""
        return self.code == 409 and self.reason == "AlreadyExists"

    @property
    def gone(self) -> bool:
        """The object is gone, or another one has its name."""
        return self.code == 404 or (self.code == 409 and bool(_OTHER_UID.search(str(self))))

    @property
    def owned(self) -> bool:
        """Another manager holds the fields."""
        return self.code == 409 and "Apply failed" in str(self)


class NotLeadingError(Exception):
    """A write was not sent, as another operator may be at work by now."""


def read(code: int, headers: Mapping[str, str], text: bytes) -> ApiError:
    """An answer that is none."""
    wait = headers.get("Retry-After", "")
    seconds = int(wait) if wait.isdigit() else 0
    try:
        told = json.loads(text)
        message, reason = str(told.get("message", ""))[:500], str(told.get("reason", ""))
    except (ValueError, AttributeError):
        message, reason = text[:200].decode(errors="replace"), ""
    return ApiError(code, message, reason, seconds)
