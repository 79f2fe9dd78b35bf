"""What the API server says where it does not admit a pod or a volume of a job."""

import re

from nerf_cli.causes.finding import Finding

_LESS = "Ask for less while spec.runPolicy.suspend is true, or have it raised."

#: The API server's words -> what that means, and what to do.
_RULES: tuple[tuple[str, str, str], ...] = (
    (
        r"exceeded quota: (?P<name>[^,]+), requested: (?P<asked>\S+), used: (?P<used>\S+), "
        r"limited: (?P<limit>\S+)",
        "the ResourceQuota {name} allows {limit}; {used} is used, and {asked} is asked for",
        "End what you no longer need, ask for less, or have the quota raised.",
    ),
    (
        r"failed quota: (?P<name>[^:]+): must specify (?P<what>\S+)",
        "the ResourceQuota {name} counts {what}, which the job does not set",
        "Set it in spec.workers.resources, and those of poses and viewer, or have a LimitRange "
        "give defaults.",
    ),
    (
        r"(?P<which>maximum|minimum) (?P<what>\S+) usage per (?P<each>\w+) is (?P<limit>[^,\s]+)",
        "a LimitRange says: {which} {what} for each {each} is {limit}",
        _LESS,
    ),
    (
        r'violates PodSecurity "(?P<level>[^"]+)"',
        "the namespace admits only pods of the Pod Security level {level}",
        "The job's pods are restricted ones: look for a webhook that changes them.",
    ),
    (
        r'admission webhook "(?P<name>[^"]+)" denied',
        "the admission webhook {name} refuses it",
        "Ask whoever runs that webhook what it wants; its words are in the condition.",
    ),
    (
        r"ValidatingAdmissionPolicy '(?P<name>[^']+)'",
        "the admission policy {name} refuses it",
        "Ask whoever administers the cluster what it wants; its words are in the condition.",
    ),
    (
        r"no PriorityClass with name (?P<name>\S+) was found",
        "there is no PriorityClass {name}",
        "Name one of `kubectl get priorityclasses` in spec.workers.priorityClassName.",
    ),
    (
        r'RuntimeClass "(?P<name>[^"]+)" not found',
        "there is no RuntimeClass {name}",
        "Name one of `kubectl get runtimeclasses` in spec.workers.runtimeClassName.",
    ),
    (
        r'User "(?P<user>[^"]+)" cannot (?P<verb>\w+) resource "(?P<what>[^"]+)"',
        "the operator ({user}) lacks the right to {verb} {what} in this namespace",
        "Install its chart again with the namespace among watchNamespaces, or without any.",
    ),
    (
        r"because it is being terminated",
        "the namespace is being deleted",
        "Create the job in another one.",
    ),
)


def causes(words: str) -> list[Finding]:
    """What the refusal means; [] where nothing more is known of it than its words."""
    for pattern, what, todo in _RULES:
        if found := re.search(pattern, words):
            return [Finding(what.format(**found.groupdict()), todo)]
    return []
