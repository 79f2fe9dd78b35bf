"""What NetworkPolicies allow, as the API's documentation defines it: evaluated, not enforced."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True)
class End:
    """One end of a connection: a pod with labels in a namespace, or an address only."""

    address: str = "10.244.0.9"
    namespace: str = ""
    labels: Object = field(default_factory=dict)

    @property
    def namespace_labels(self) -> Object:
        """As the API server sets them."""
        return {"kubernetes.io/metadata.name": self.namespace}


def allowed(
    policies: Sequence[Object], source: End, target: End, port: int, protocol: str = "TCP"
) -> bool:
    """Whether a connection may be opened: both ends must let it."""
    out = _side(policies, source, target, ("Egress", "egress", "to"), port, protocol)
    return out and _side(policies, target, source, ("Ingress", "ingress", "from"), port, protocol)


def _side(
    policies: Sequence[Object],
    pod: End,
    peer: End,
    words: tuple[str, str, str],
    port: int,
    protocol: str,
) -> bool:
    """Whether the policies that select the pod, if any do, let the peer through."""
    kind, rules, peers = words
    about = [p for p in policies if kind in p["spec"]["policyTypes"] and _selects(p, pod)]
    return not about or any(
        _port(rule, port, protocol) and _peer(rule.get(peers), p["metadata"]["namespace"], peer)
        for p in about
        for rule in p["spec"].get(rules, ())
    )


def _selects(policy: Object, pod: End) -> bool:
    here = policy["metadata"]["namespace"] == pod.namespace
    return here and _matches(policy["spec"]["podSelector"], pod.labels)


def _port(rule: Object, port: int, protocol: str) -> bool:
    ports = rule.get("ports")
    return not ports or any(
        one.get("protocol", "TCP") == protocol
        and one["port"] <= port <= one.get("endPort", one["port"])
        for one in ports
    )


def _peer(peers: Sequence[Object] | None, home: str, end: End) -> bool:
    return not peers or any(_is(peer, home, end) for peer in peers)


def _is(peer: Object, home: str, end: End) -> bool:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        return _in(end.address, block["cidr"]) and not any(
            _in(end.address, hole) for hole in block.get("except", ())
        )
    if not end.namespace:
        return False
    spaces = peer.get("namespaceSelector")
    there = end.namespace == home if spaces is None else _matches(spaces, end.namespace_labels)
    return there and _matches(peer.get("podSelector", {}), end.labels)


def _in(address: str, cidr: str) -> bool:
    ip, network = ipaddress.ip_address(address), ipaddress.ip_network(cidr)
    return ip.version == network.version and ip in network


def _matches(selector: Object, labels: Object) -> bool:
    unknown = selector.keys() - {"matchLabels"}
    assert not unknown, f"this evaluator knows matchLabels only, not {unknown}"
    return bool(selector.get("matchLabels", {}).items() <= labels.items())
