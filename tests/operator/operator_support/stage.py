"""Operators behind proxies of their own, and namespaces that they serve."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from operator_support.apiserver import ApiServer
from operator_support.cluster import Namespace
from operator_support.process import Operator
from operator_support.proxy import Proxy


@dataclass
class Stage:
    """Where operators act. kubeconfig: of their account; folder: for their logs."""

    server: ApiServer
    kubeconfig: Path
    folder: Path
    count: int = 0

    def namespace(self) -> Namespace:
        """A fresh namespace with photos in it."""
        self.count += 1
        lab = Namespace(self.server, f"{self.folder.name}-{self.count}")
        self.server.request("POST", "/api/v1/namespaces", {"metadata": {"name": lab.name}})
        lab.claim()
        return lab

    @contextmanager
    def operator(
        self, namespaces: str, identity: str = "", env: dict[str, str] | None = None
    ) -> Iterator[tuple[Operator, Proxy]]:
        """An operator that runs behind a proxy. env: more of what the chart sets."""
        self.count += 1
        token = json.loads(self.kubeconfig.read_text())["users"][0]["user"]["token"]
        with Proxy(self.server).listening() as proxy:
            config = self.folder / f"config-{self.count}"
            self.server.write_kubeconfig(config, token, proxy.url)
            log = self.folder / f"log-{self.count}"
            operator = Operator(config, log, namespaces, identity, env or {})
            operator.launch()
            try:
                yield operator, proxy
            finally:
                operator.kill()

    @contextmanager
    def act(self) -> Iterator[tuple[Namespace, Operator, Proxy]]:
        """A fresh namespace, with an operator for it alone."""
        lab = self.namespace()
        with self.operator(lab.name) as (operator, proxy):
            yield lab, operator, proxy
