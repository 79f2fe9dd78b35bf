"""The end of every story: nothing more goes wrong."""

from simulation import World


def settle(world: World) -> None:
    """With as many pods as it takes, all who live end in one group that has lost no step."""
    calm_down(world)
    newest = max((p.step for p in world.living), default=0)
    for pod in range(3):
        needed = pod == 0 or len(world.pods) < world.settings.min_pods
        if needed and pod not in world.pods:
            world.start_pod(pod)
    for process in world.living:
        if process.join is None:
            world.join(process)
    for _ in range(20):
        world.go_on()
        if world.together:
            break
    assert world.together, "someone is left out"
    world.train()
    assert {p.step for p in world.living} == {newest + 1}, "steps are lost"


def calm_down(world: World) -> None:
    """Nobody hangs, and who was asked to leave is gone, as are pods of which nothing is known."""
    for process in [p for p in world.living if p.leaving]:
        world.kill_pod(process.identity.id.pod)
    world.zombies = [p for p in world.zombies if p.identity.id.pod in world.pods]
    for process in world.processes:
        world.thaw(process)
        process.stalled = False
