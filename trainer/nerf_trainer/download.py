"""The entry point of the download stage: an archive with photos, fetched, checked and unpacked.

    python3 -m nerf_trainer.download --config FILE

An archive that is in place is not fetched again. Needs no GPU and no torch.
"""

import sys

from nerf_contract.reasons import ARCHIVE_FETCHED
from nerf_contract.training import TrainerConfig
from nerf_trainer.archive import ensure_unpacked
from nerf_trainer.archive.web import Web, allowed
from nerf_trainer.places import dataset_root
from nerf_trainer.scenes import folder_of
from nerf_trainer.stage import StageBoard
from nerf_trainer.stage_process import Done, run


def download(config: TrainerConfig, board: StageBoard) -> Done:
    """Have the archive's files where the dataset is read. Raises TrainerFailure."""
    archive = config.dataset.archive
    if archive is None:
        return Done(ARCHIVE_FETCHED, "There is no archive to fetch.")

    def tell(activity: str, share: float) -> None:
        begin = 0.5 if activity == "unpacking" else 0.0
        board.update(activity, begin + share / 2)

    folder = folder_of(config.dataset, dataset_root())
    ensure_unpacked(archive, folder, tell, Web(allowed=allowed()))
    return Done(ARCHIVE_FETCHED, "The archive is fetched and unpacked.")


if __name__ == "__main__":
    sys.exit(run("nerf_trainer.download", StageBoard("download"), download))
