"""What goes wrong, as one sentence that says what to do."""

import json
import re
from typing import Any

from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from nerf_contract import names

INSTALL = (
    "The cluster does not know NeRFJobs: the operator is not installed. Install it by "
    "`helm install nerf charts/nerf-operator --namespace nerf-system --create-namespace`."
)
#: What `sentence` can explain.
EXPLAINED = (ApiException, HTTPError, ConfigException, OSError)


class UserError(Exception):
    """Something that a person can mend; the message says how."""


def sentence(error: Exception) -> str:
    """One of `EXPLAINED` in a sentence."""
    if isinstance(error, ApiException):
        return _refusal(error)
    if isinstance(error, HTTPError):
        return (
            f"The Kubernetes API server does not answer ({_cause(error)}). Is the cluster up? "
            "KUBECONFIG, --kubeconfig and --context say which one is asked."
        )
    if isinstance(error, ConfigException):
        return (
            f"No cluster can be talked to: {_first_line(error)}. Set KUBECONFIG or give "
            "--kubeconfig FILE; `kubectl config get-contexts` lists what --context may be."
        )
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}."
    return f"{_first_line(error)}."


def _cause(error: HTTPError) -> str:
    text = str(getattr(error, "reason", None) or error)
    return re.sub(r"^.*?Connection\(.*?\): |<[^>]*>:? ?", "", text)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _refusal(error: ApiException) -> str:
    status = _status(error)
    message = str(status.get("message") or error.reason or "").strip()
    if error.status == 401:
        return "The cluster does not accept your credentials; sign in again, or check KUBECONFIG."
    if error.status == 403:
        return _forbidden(message)
    if error.status == 404 and status.get("details", {}).get("kind") is None:
        return INSTALL
    if error.status == 422:
        return f"The API server rejects this: {message.rstrip('.')}."
    return f"The API server says: {message.rstrip('.') or f'HTTP {error.status}'}."


def _status(error: ApiException) -> dict[str, Any]:
    """Kubernetes' Status object of a refusal; {} where the answer is none."""
    try:
        status = json.loads(error.body or "")
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}


def _forbidden(message: str) -> str:
    found = re.search(r'User "(.*?)" cannot (\w+) resource "(.*?)"(.*)', message)
    if found is None:
        return f"The cluster refuses: {message.rstrip('.')}."
    user, verb, resource, where = found.groups()
    return (
        f"You ({user}) lack the right to {verb} {resource}{where.rstrip('.')}. Ask whoever "
        "administers the cluster for it."
    )


def missing(error: ApiException) -> bool:
    """Whether the object asked for does not exist, though its kind does."""
    return error.status == 404 and _status(error).get("details", {}).get("kind") is not None


def no_job(name: str, namespace: str) -> UserError:
    """There is no such job."""
    return UserError(
        f"There is no {names.KIND} {name!r} in namespace {namespace!r}; "
        f"`kubectl get {names.PLURAL} -A` lists all."
    )
