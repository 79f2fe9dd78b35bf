"""What the watches and our own writes have told, by object; the newest version wins.

An answer to a write goes the same way in as an event of a watch, so that a pass that follows at
once sees what the one before it did, and neither repeats a call nor an event.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

from nerf_contract import reasons
from nerf_operator.cluster.losses import Losses
from nerf_operator.core import claims
from nerf_operator.core.gpus import Node
from nerf_operator.core.observed import Claim, Job, Pod, Service


class Key(NamedTuple):
    """Namespace and name of a job (or of another object)."""

    namespace: str
    name: str


class Record(Protocol):
    """What every cached object has."""

    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def version(self) -> str: ...


R = TypeVar("R", bound=Record)
#: Deleted objects that are remembered, lest a late answer brings them back.
TOMBSTONES = 10_000


class Table(Generic[R]):
    """Objects of one kind, in groups: pods and Services of a job; others are each a group."""

    def __init__(self) -> None:
        self._groups: dict[Key, dict[str, R]] = {}
        self._dead: OrderedDict[str, None] = OrderedDict()

    def put(self, group: Key, record: R) -> bool:
        """Keep the record unless a newer one is known. False where nothing changed."""
        if record.uid in self._dead:
            return False
        members = self._groups.setdefault(group, {})
        known = members.get(record.name)
        if known is not None and not _newer(record, known):
            return False
        members[record.name] = record
        return True

    def remove(self, group: Key, name: str, uid: str) -> R | None:
        """The object is gone: as it was known, if it was. Another one of its name stays."""
        self._dead[uid] = None
        if len(self._dead) > TOMBSTONES:
            self._dead.popitem(last=False)
        members = self._groups.get(group, {})
        if name not in members or members[name].uid != uid:
            return None
        gone = members.pop(name)
        if not members:
            del self._groups[group]
        return gone

    def group(self, group: Key) -> tuple[R, ...]:
        """All objects of a group."""
        return tuple(self._groups.get(group, {}).values())

    def get(self, key: Key) -> R | None:
        """The object that is a group of its own."""
        return self._groups.get(key, {}).get(key.name)

    def items(self) -> Iterator[tuple[Key, R]]:
        """Every object with its group."""
        for group, members in list(self._groups.items()):
            for record in list(members.values()):
                yield group, record

    def __len__(self) -> int:
        return len(self._groups)


def _newer(record: Record, known: Record) -> bool:
    """Kubernetes' resource versions are growing decimal numbers (KEP-5504)."""
    return int(record.version) > int(known.version)


class Cache:
    """Everything that is known of the cluster."""

    def __init__(self) -> None:
        self.jobs: Table[Job] = Table()
        self.pods: Table[Pod] = Table()
        self.lost = Losses()
        self.services: Table[Service] = Table()
        self.claims: Table[Claim] = Table()
        #: In groups of their own, as if of the namespace "".
        self.nodes: Table[Node] = Table()
        self._users: dict[Key, set[str]] = {}

    def put_job(self, job: Job) -> bool:
        """Keep a job, and which claims it names. False where nothing changed."""
        known = self.jobs.get(Key(job.namespace, job.name))
        if not self.jobs.put(Key(job.namespace, job.name), job):
            return False
        if known is not None:
            self._forget_claims(known)
        for claim in claims.names_of(job):
            self._users.setdefault(Key(job.namespace, claim), set()).add(job.name)
        return True

    def remove_job(self, key: Key, uid: str) -> bool:
        """The job is gone. False where it was not known: another one may have its name by now."""
        gone = self.jobs.remove(key, key.name, uid)
        if gone is None:
            return False
        self._forget_claims(gone)
        return True

    def _forget_claims(self, job: Job) -> None:
        for claim in claims.names_of(job):
            users = self._users.get(Key(job.namespace, claim), set())
            users.discard(job.name)
            if not users:
                self._users.pop(Key(job.namespace, claim), None)

    def lose_pod(self, key: Key, name: str, uid: str) -> None:
        """A pod of the job is gone; what it told is still of use to a job that is there."""
        gone, job = self.pods.remove(key, name, uid), self.jobs.get(key)
        ours = uid in self.lost.expected
        self.lost.expected.discard(uid)
        if gone is not None and not ours and job is not None and job.uid == gone.owner:
            self.lost.note(key, gone)

    def conditions(self) -> Counter[str]:
        """For how many jobs each condition is true; 0 for those that are true for none."""
        count = Counter(dict.fromkeys(reasons.CONDITION_TYPES, 0))
        for _, job in self.jobs.items():
            count.update(c.type for c in job.status.conditions if c.status == "True")
        return count

    def users(self, claim: Key) -> list[Key]:
        """Jobs that name this claim."""
        return [Key(claim.namespace, name) for name in sorted(self._users.get(claim, ()))]
