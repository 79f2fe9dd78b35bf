"""How a pod ended badly: who ended it, its exit code, its last words."""

import json
import re
import signal

from nerf_cli.causes import places
from nerf_cli.causes.finding import Finding, because
from nerf_cli.cluster import Object
from nerf_contract import reasons
from nerf_contract.containers import ours

_SIGNALLED = 128


def trouble(pod: Object, log: tuple[str, ...]) -> list[Finding]:
    """The end of the pod's container, and what it comes from. log: its last lines."""
    return _overuse(pod) or _disrupted(pod) or _out_of_memory(pod) or _ended(pod, log)


def _end(pod: Object) -> Object:
    """Of its container, or of the one before where the cluster has started it again."""
    container = places.container(pod)
    states = container.get("state", {}), container.get("lastState", {})
    return next((s["terminated"] for s in states if s.get("terminated")), {})


def _overuse(pod: Object) -> list[Finding]:
    """The kubelet puts out a pod for what it did itself."""
    words = pod["status"].get("message", "")
    if pod["status"].get("reason") != "Evicted" or not re.search(r"exceed(s|ed) .*limit", words):
        return []
    meaning = reasons.FOUND_FAILURES[reasons.STORAGE_EXCEEDED].meaning
    todo = "Raise resources.limits.ephemeral-storage while the job is suspended."
    return [Finding(f"its node put it out. {meaning}", todo, (words,))]


def _disrupted(pod: Object) -> list[Finding]:
    found = places.condition(pod, "DisruptionTarget")
    target = found if found.get("status") == "True" else {}
    words = target.get("reason", ""), pod["status"].get("reason", "")
    known = [reasons.BY_THE_CLUSTER[word] for word in words if word in reasons.BY_THE_CLUSTER]
    if not target and not known:
        return []
    [reason, *_] = [*known, reasons.DISRUPTED]
    told = target.get("message") or pod["status"].get("message")
    todo = "Nothing: another pod takes its place, and it spends no backoffLimit."
    what = f"the cluster ended it ({reason}). {reasons.FOUND_FAILURES[reason].meaning}"
    return [Finding(what, todo, (told,) if told else ())]


def _out_of_memory(pod: Object) -> list[Finding]:
    end = _end(pod)
    if end.get("reason") != "OOMKilled":
        return []
    limit = (ours(pod["spec"]["containers"]).get("resources", {}).get("limits") or {}).get("memory")
    at = f"its memory limit of {limit}" if limit else "the memory limit of its node"
    return [
        Finding(
            f"the kernel killed its container at {at}",
            "Raise resources.limits.memory while the job is suspended, or ask for less in another "
            "job: spec.training.raysPerChunk, spec.dataset.downscale.",
        )
    ]


def _ended(pod: Object, log: tuple[str, ...]) -> list[Finding]:
    end = _end(pod)
    if not end:
        why = pod["status"].get("message") or pod["status"].get("reason") or "nobody says why"
        return [Finding(f"it ended before its container ran: {why}")]
    return [Finding(f"it ended with {_code(end)}"), *because(_told(end, log))]


def _code(end: Object) -> str:
    code = int(end.get("exitCode", 0))
    names = {s.value: s.name for s in signal.Signals}
    name = names.get(code - _SIGNALLED)
    return f"exit code {code}" + (f" ({name})" if name else "")


def _told(end: Object, log: tuple[str, ...]) -> list[Finding]:
    """The trainer's last word, what it means, and the end of its log."""
    word = _word(end)
    if word is None:
        lines = log or tuple(str(end.get("message") or "").strip().splitlines()[-3:])
        what = "it left no word of its own; the end of its log may tell"
        return [Finding(what, quotes=lines)] if lines else []
    reason, message = str(word.get("reason")), str(word.get("message", ""))
    known = reasons.FAILURES.get(reason)
    return [Finding(f"{reason}: {message}", _again(known), log)]


def _again(known: reasons.Failure | None) -> str:
    if known is None or known.retryable:
        return "It is tried again by itself, up to spec.runPolicy.backoffLimit."
    return "Mend that, and create the job again: it is not tried again by itself."


def _word(end: Object) -> Object | None:
    try:
        word = json.loads(end.get("message") or "")
    except ValueError:
        return None
    return word if isinstance(word, dict) and "reason" in word else None
