"""Names of what a job has, made from the names of others. Standard library only."""

import hashlib

_LONGEST_LABEL = 63


def checkpoint_claim(job: str) -> str:
    """The claim that the operator makes for checkpoints and results."""
    return f"{job}-checkpoint"


def dataset_claim(job: str) -> str:
    """The claim that the operator makes for an archive."""
    return f"{job}-dataset"


def group_token(job: str, uid: str) -> str:
    """The Secret with the token of messages to the coordinator.

    The operator may not read Secrets, and could not tell that of an earlier job of the name.
    """
    return f"{job}-group-{uid[:8]}"


def policy(job: str, what: str, uid: str, digest: str) -> str:
    """A NetworkPolicy: never one of that name which somebody else has made, or which says
    something else."""
    return f"{job}-{what}-{uid[:8]}-{digest[:8]}"


def viewer(job: str) -> str:
    """The viewer's Service, and the Secret with its token."""
    return f"{job}-viewer"


def claim_label(claim: str) -> str:
    """A claim's name as a label value, which may be 63 characters long."""
    if len(claim) <= _LONGEST_LABEL:
        return claim
    return f"{claim[:46]}-{hashlib.sha256(claim.encode()).hexdigest()[:16]}"
