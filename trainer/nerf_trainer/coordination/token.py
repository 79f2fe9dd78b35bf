"""The secret that members of a job share, so that no stranger joins or stops it.

A bearer token, not a signature of each message: the group's gradients travel in the clear between
the same pods, so who can read the network has more than the messages. It keeps out everyone else,
needs no clocks that agree and no memory of what was seen.
"""

import hmac
from collections.abc import Mapping
from pathlib import Path

from nerf_contract import names

_SCHEME = "Bearer "


class TokenError(Exception):
    """The environment names a token that is not there."""


def read_token(env: Mapping[str, str]) -> str | None:
    """The job's token, or None where the environment names no file: then there is only loopback.

    Raises: TokenError.
    """
    path = env.get(names.ENV_GROUP_TOKEN_FILE)
    if path is None:
        return None
    try:
        token = Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenError(_complaint(path, f"cannot be read: {error}")) from error
    if not token or not token.isascii() or not token.isprintable():
        raise TokenError(_complaint(path, "holds no printable ASCII"))
    return token


def _complaint(path: str, what: str) -> str:
    variable = names.ENV_GROUP_TOKEN_FILE
    return (
        f"{variable} names {path!r}, which {what}. Write a random token there (openssl rand "
        f"-hex 32), the same for all of the job, or unset {variable}."
    )


def header(token: str | None) -> dict[str, str]:
    """The HTTP header that shows the token."""
    return {} if token is None else {"Authorization": _SCHEME + token}


def shown(token: str | None, authorization: str | None) -> bool:
    """Whether a request shows the token, compared in constant time; True where none is asked."""
    if token is None:
        return True
    return hmac.compare_digest((_SCHEME + token).encode(), (authorization or "").encode())
