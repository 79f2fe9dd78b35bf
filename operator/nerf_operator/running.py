"""The operator's process: it waits for the Lease where there is one, works, and lets go."""

import asyncio
import logging
import os
import signal
from collections.abc import Coroutine
from functools import partial
from typing import Any

import kopf

from nerf_operator import handlers, kopf_config
from nerf_operator.cluster import health, resync
from nerf_operator.cluster.api import Api
from nerf_operator.cluster.cache import Cache
from nerf_operator.cluster.client import Client
from nerf_operator.cluster.election import Election, Unopposed
from nerf_operator.cluster.leases import Leases
from nerf_operator.cluster.reconcile import Reconciler
from nerf_operator.cluster.vitals import Vitals
from nerf_operator.core.plan import Defaults
from nerf_operator.settings import Settings

log = logging.getLogger(__name__)


async def run(settings: Settings) -> None:
    """Run until SIGTERM. A lost Lease ends the process at once, with exit code 1."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):  # kopf has its own as soon as it runs.
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    kopf_settings = kopf.OperatorSettings()
    kopf_config.configure(kopf_settings)
    election = _election(settings, kopf_settings)
    operator = _operator(settings, kopf_settings, election)
    server = await _serve(settings, operator, election)
    beating = asyncio.create_task(operator.vitals.run())
    try:
        if await _unless(stop, election.win()):
            keeping = asyncio.create_task(_keep(election))
            await _work(settings, kopf_settings, operator, stop)
            keeping.cancel()
            await election.give_back()
    finally:
        beating.cancel()
        await election.close()
        await server.cleanup()


def _election(settings: Settings, kopf_settings: kopf.OperatorSettings) -> Election | Unopposed:
    if not settings.lease:
        return Unopposed()
    leases = Leases(partial(kopf_config.connect, kopf_settings))
    return Election(leases, settings.namespace, settings.lease, settings.identity)


def _operator(
    settings: Settings, kopf_settings: kopf.OperatorSettings, election: Election | Unopposed
) -> handlers.Operator:
    connect = partial(kopf_config.connect, kopf_settings)
    api, watching = Api(connect, election.holds), Client(connect, connections=0)
    cache = Cache()
    vitals = Vitals(sum(len(kind.paths(settings.namespaces)) for kind in resync.kinds(cache)))
    defaults = Defaults(settings.trainer_image, settings.network, settings.archive_networks)
    everywhere = not settings.namespaces
    reconciler = Reconciler(cache, api, defaults, whole_cluster=everywhere)
    return handlers.Operator(settings, reconciler, api, watching, vitals)


async def _serve(
    settings: Settings, operator: handlers.Operator, election: Election | Unopposed
) -> Any:
    def problem() -> str | None:
        return election.problem() or operator.problem()

    def unready() -> str | None:
        """One that waits for the Lease, and can read it, is ready to take over."""
        if not election.holds():
            return election.unready()
        listed = operator.vitals.ready() and operator.job_lists.complete.is_set()
        return None if listed else "what is in the cluster is being listed"

    return await health.serve(
        settings.http_host, settings.http_port, problem, unready, operator.measure
    )


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Wait for the work, or until told to stop. Whether it was done; raises what it raises."""
    working, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait([working, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not working.done():
        working.cancel()
        return False
    working.result()
    return True


async def _work(
    settings: Settings,
    kopf_settings: kopf.OperatorSettings,
    operator: handlers.Operator,
    stop: asyncio.Event,
) -> None:
    registry = kopf.OperatorRegistry()
    handlers.register(operator, registry)
    await kopf.operator(
        registry=registry,
        settings=kopf_settings,
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
        standalone=True,
        stop_flag=stop,
    )


async def _keep(election: Election | Unopposed) -> None:
    """Another operator may begin any moment: nothing may be tidied up, and nothing needs to be."""
    try:
        await election.keep()
    except Exception:
        log.exception("the Lease cannot be kept")
    os._exit(1)
