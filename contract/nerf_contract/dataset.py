"""Where photos come from, and how their cameras are found: sections that the trainer reads too."""

from typing import Annotated, Final, Literal

from pydantic import Field

from nerf_contract.base import MAX_INT, Model

#: Formats without poses: the cameras are yet to be found.
WITHOUT_POSES: Final = ("photos", "video")
#: From so many photos on, a folder of photos is not taken for one of videos.
ENOUGH_PHOTOS: Final = 30

RelativePath = Annotated[str, Field(max_length=1024, pattern=r"^$|^[^/$\x00]([^$\x00]*)$")]


class ArchiveConfig(Model):
    """A packed dataset that is fetched over HTTPS and unpacked before anything else."""

    url: str = Field(
        max_length=2048,
        pattern=r"^https://[^\s@]+$",
        description="Address of a .zip, .tar, .tar.gz or .tgz file. Only public addresses are "
        "asked, and no redirect leads elsewhere.",
    )
    sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the file, in hex: `sha256sum FILE`."
    )
    max_gigabytes: int = Field(
        default=20,
        ge=1,
        le=10_000,
        description="Most that the archive may take, packed and unpacked each.",
    )


class VideoConfig(Model):
    """Which frames of videos are used."""

    frames: int = Field(
        default=120,
        ge=3,
        le=1000,
        description="Frames of all videos together: the sharpest one of each of so many equal "
        "parts of their time.",
    )


class DatasetConfig(Model):
    """Photos, and what is known of their cameras."""

    archive: ArchiveConfig | None = Field(
        default=None, description="Fetch the dataset into `path`, unless it is there already."
    )
    path: RelativePath = Field(
        default="", description="Folder of the dataset, relative to the root of its volume."
    )
    format: Literal["auto", "photos", "video", "nerfstudio", "blender", "colmap", "llff"] = Field(
        default="auto",
        description="`nerfstudio` is one transforms.json; `blender` is transforms_train.json and "
        "its siblings; `colmap` is a sparse model, binary or text, in `sparse/`; `llff` is "
        "poses_bounds.npy; `photos` is a folder of photos whose cameras are yet to be found; "
        "`video` is one of videos, and of photos beside them if there are any; `auto` takes the "
        "first of these that is there, `video` and `photos` last: `video` where there is one, and "
        f"fewer than {ENOUGH_PHOTOS} photos. All but `blender` and `llff` may "
        "have lens distortion, all photos may have masks, where white is used: `mask_path` in a "
        "transforms file, else `masks/` beside the photos.",
    )
    video: VideoConfig = VideoConfig()
    downscale: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Shrink the photos by this factor with a box filter. If absent, by the "
        "smallest one that leaves no edge longer than 1600 pixels, and 200 million pixels in all.",
    )
    holdout_every: int = Field(
        default=8,
        ge=2,
        le=MAX_INT,
        description="Hold out every n-th photo for evaluation where the dataset has no split.",
    )
    wait_seconds: int = Field(
        default=0,
        ge=0,
        le=86400,
        description="Wait this long for the dataset to appear, for a job that is applied while its "
        "photos are still being uploaded. Of a dataset with poses, write the transforms file last; "
        "photos without poses are complete once none has come for 5 seconds.",
    )


class PosesConfig(Model):
    """How the cameras of plain photos are found (structure from motion, by COLMAP)."""

    matching: Literal["auto", "exhaustive", "sequential", "gps", "nearest"] = Field(
        default="auto",
        description="Which pairs of photos are compared: `exhaustive`, all; `sequential`, "
        "neighbours by name, and a few others that look alike; `gps`, those taken near each other; "
        "`nearest`, those that look alike. `auto` is `sequential` for the frames of one video, "
        "else `exhaustive` up to 200 photos, beyond that `gps` where all photos have it, else "
        "`nearest`.",
    )
    max_image_size: int = Field(
        default=960,
        ge=128,
        le=8192,
        description="Longer edge, in pixels, at which features are looked for.",
    )
    max_features: int = Field(
        default=2048, ge=128, le=32768, description="Most features of a photo."
    )
    shared_camera: bool = Field(
        default=True,
        description="All photos of one size and EXIF camera have one focal length and distortion. "
        "Turn it off for a zoom lens.",
    )
