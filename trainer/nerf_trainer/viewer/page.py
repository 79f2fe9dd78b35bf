"""The page: viser shows pictures behind the training cameras, and tells how the camera moves."""

import contextlib
import io
import math
import secrets
import warnings

import numpy as np
import viser
import viser.transforms
from numpy.typing import NDArray

from nerf_trainer.viewer.artist import Artist
from nerf_trainer.viewer.camera import Camera, opengl_pose
from nerf_trainer.viewer.canvas import Pixels
from nerf_trainer.viewer.frusta import Frusta
from nerf_trainer.viewpoints import UP

COLOUR = (235, 120, 20)
QUALITY = {False: 75, True: 92}
#: Element of the page that is there once its first picture is; see `proxy`.
LIVE = "<i data-live></i>"


class Server(viser.ViserServer):
    """viser's server can publish the page by a third party's relay: this one does not."""

    def request_share_url(self, verbose: bool = True) -> None:
        """Nothing is shared."""


class Page:
    """What all browsers see. first: where they begin while no training cameras are known."""

    def __init__(self, title: str, artist: Artist, first: Camera) -> None:
        self._artist = artist
        self._server = start_server()
        self._server.scene.set_up_direction(tuple(UP))
        self._begin_at(first)
        gui = self._server.gui
        gui.configure_theme(show_logo=False, show_share_button=False)
        gui.set_panel_label(title)
        self._status = gui.add_markdown("Waiting for the first checkpoint.")
        self._server.on_client_connect(self._connected)
        self._server.on_client_disconnect(self._disconnected)

    @property
    def address(self) -> str:
        """Where viser listens: host and port."""
        return f"{self._server.get_host()}:{self._server.get_port()}"

    def tell(self, text: str) -> None:
        """What is written beside the picture, in Markdown."""
        self._status.content = text

    def show_cameras(self, frusta: Frusta) -> None:
        """Draw the training cameras; whoever opens the page from now on begins at the first one."""
        self._server.scene.set_up_direction(tuple(frusta.up()))
        self._begin_at(frusta.first())
        if len(frusta.poses) > 1:
            self._draw_cameras(frusta.edges())

    def _draw_cameras(self, edges: NDArray[np.float32]) -> None:
        """Draw the edges (N, 2, 3), and a box to hide them."""
        lines = self._server.scene.add_line_segments(
            *("/cameras", edges, COLOUR),
            thickness=1.5,
            thickness_units="screen",
        )
        box = self._server.gui.add_checkbox("Training cameras", initial_value=True)

        @box.on_update
        def _(_: object) -> None:
            lines.visible = box.value

    def _begin_at(self, camera: Camera) -> None:
        begin = self._server.initial_camera
        position, backward = camera.pose[:, 3], camera.pose[:, 2]
        begin.position = tuple(position)
        begin.look_at = tuple(position - backward * np.linalg.norm(position))
        begin.fov = camera.fov

    async def _connected(self, client: viser.ClientHandle) -> None:
        live = False

        def show(picture: Pixels, sharp: bool) -> None:
            nonlocal live
            client.scene.set_background_image(picture, "jpeg", jpeg_quality=QUALITY[sharp])
            if not live:
                client.gui.add_html(LIVE)
                live = True

        async def moved(camera: viser.CameraHandle) -> None:
            if seen := seen_by(camera):
                longest = max(camera.image_width, camera.image_height)
                self._artist.look(client.client_id, seen, longest, show)

        client.camera.on_update(moved)
        await moved(client.camera)

    async def _disconnected(self, client: viser.ClientHandle) -> None:
        self._artist.leave(client.client_id)


def start_server() -> Server:
    """Listen on loopback, at an address that pages of other sites cannot guess to connect to.

    All of 127.0.0.0/8 is this machine. Outside a pod, other users of the machine could look it up.
    """
    # A page may close while its picture is drawn.
    warnings.filterwarnings("ignore", message="Queued a .* on a closed connection")
    host = ".".join(["127", *(str(1 + secrets.randbelow(254)) for _ in range(3))])
    with contextlib.redirect_stdout(io.StringIO()):  # It prints an address that is not for people.
        return Server(host=host, port=0, verbose=False)


def seen_by(camera: viser.CameraHandle) -> Camera | None:
    """The camera of a browser, or None where it tells what cannot be."""
    numbers = [*camera.wxyz, *camera.position, camera.fov, camera.aspect]
    turned = np.linalg.norm(camera.wxyz) > 0
    if not (
        np.isfinite(numbers).all() and turned and 0 < camera.fov < math.pi and camera.aspect > 0
    ):
        return None
    rotation = viser.transforms.SO3(np.asarray(camera.wxyz)).as_matrix()
    return Camera(opengl_pose(rotation, np.asarray(camera.position)), camera.fov, camera.aspect)
