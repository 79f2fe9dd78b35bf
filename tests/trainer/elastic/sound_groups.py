"""What holds for every generation, whatever has happened."""

from nerf_trainer.coordination.membership import Settings
from nerf_trainer.coordination.messages import Identity, Placement


def check_group(group: list[tuple[Identity, int, Placement | None]], settings: Settings) -> None:
    """What holds for every generation that is formed."""
    placements = [placement for _, _, placement in group if placement]
    assert sorted(p.rank for p in placements) == list(range(len(group)))
    assert {p.world_size for p in placements} == {len(group)}
    assert len({(p.source, p.writer, p.store) for p in placements}) == 1
    pods: dict[int, int] = {}
    for identity, _, _ in group:
        pods[identity.id.pod] = pods.get(identity.id.pod, 0) + 1
    assert len(pods) >= settings.min_pods, "too few pods"
    assert all(pods[i.id.pod] == i.local_world_size for i, _, _ in group), "a pod in part"
    steps = {p.rank: step for _, step, p in group if p}
    assert steps[placements[0].source] == max(steps.values()), "the source lags"
    assert any(step > 0 or i.writer for i, step, _ in group), "untrained, without the writer"
    assert len({i.config for i, _, _ in group}) == 1, "two configs in one group"
    writers = [p.rank for i, _, p in group if p and i.writer]
    assert writers in ([], [placements[0].writer]), "not the one writer that all are told of"
