"""What the API server says where it does not admit a child, in plain words."""

import pytest

from nerf_cli.causes import refusals

#: words of Kubernetes -> what they mean, and what to do
REFUSALS = [
    (
        'pods "a" is forbidden: failed quota: q: must specify limits.cpu for: trainer; '
        "limits.memory for: trainer",
        *("the ResourceQuota q counts limits.cpu", "spec.workers.resources"),
    ),
    (
        'pods "a" is forbidden: maximum cpu usage per Container is 500m, but limit is 2',
        *("a LimitRange says: maximum cpu for each Container is 500m", "Ask for less"),
    ),
    (
        'pods "a" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
        *("Pod Security level restricted:latest", "webhook"),
    ),
    (
        'admission webhook "policy.example.com" denied the request: no label team',
        *("the admission webhook policy.example.com refuses it", "Ask whoever runs"),
    ),
    (
        "pods \"a\" is forbidden: ValidatingAdmissionPolicy 'team' with binding 'b' denied request",
        *("the admission policy team refuses it", "Ask whoever administers"),
    ),
    (
        'pods "a" is forbidden: no PriorityClass with name urgent was found',
        *("there is no PriorityClass urgent", "spec.workers.priorityClassName"),
    ),
    (
        'pods "a" is forbidden: pod rejected: RuntimeClass "nvidia" not found',
        *("there is no RuntimeClass nvidia", "spec.workers.runtimeClassName"),
    ),
    (
        'pods is forbidden: User "system:serviceaccount:nerf-system:nerf" cannot create resource '
        '"pods" in API group "" in the namespace "lab"',
        *("lacks the right to create pods", "watchNamespaces"),
    ),
    (
        'pods "a" is forbidden: unable to create new content in namespace lab because it is being '
        "terminated",
        *("the namespace is being deleted", "another one"),
    ),
]


@pytest.mark.parametrize(("words", "what", "todo"), REFUSALS)
def test_refusals(words: str, what: str, todo: str) -> None:
    [found] = refusals.causes(f"The API server does not admit a child of this job: 403: {words}")
    assert what in found.what
    assert todo in found.todo


def test_words_that_nobody_knows_are_not_explained() -> None:
    assert refusals.causes("No.") == []
