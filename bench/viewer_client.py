"""A page without a browser: it turns around the scene and counts the pictures. For `viewer.py`.

    python3 viewer_client.py PORT TOKEN SECONDS

Prints one JSON object: pictures a second, and the median of their widths in pixels.
"""

import asyncio
import importlib.metadata
import io
import json
import math
import statistics
import sys
import time

import aiohttp
import msgspec
import zstandard
from PIL import Image

#: Positions of the camera that are sent in a second, about as many as a browser sends.
MOVES = 30
WINDOW = (1280, 720)
DISTANCE, HEIGHT = 3.2, 1.2


async def turn(port: int, token: str, seconds: float) -> dict[str, float]:
    """Move for so long."""
    url = f"http://127.0.0.1:{port}"
    headers = {"Authorization": f"Bearer {token}", "Origin": url}
    protocols = [f"viser-v{importlib.metadata.version('viser')}"]
    widths: list[int] = []
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(f"{url}/scene", protocols=protocols, max_msg_size=0) as page,
    ):
        pictures = asyncio.ensure_future(count(page, widths))
        began = time.monotonic()
        while (now := time.monotonic()) < began + seconds:
            await page.send_bytes(camera_at(now - began))
            await asyncio.sleep(1 / MOVES)
        pictures.cancel()
    per_second = len(widths) / seconds
    return {"picturesPerSecond": per_second, "width": statistics.median(widths or [0])}


def camera_at(seconds: float) -> bytes:
    """The message of viser's client; a turn takes 20 seconds. OpenCV's axes, y down, z forward."""
    angle = 2 * math.pi * seconds / 20
    position = (DISTANCE * math.cos(angle), DISTANCE * math.sin(angle), HEIGHT)
    pitch = math.atan2(HEIGHT, DISTANCE)
    # Looks along +y and is turned around z, after it was lowered by the pitch.
    a, b = (angle + math.pi / 2) / 2, -(math.pi / 2 + pitch) / 2
    wxyz = (
        *(math.cos(a) * math.cos(b), math.cos(a) * math.sin(b)),
        *(math.sin(a) * math.sin(b), math.sin(a) * math.cos(b)),
    )
    message = {
        **{"type": "ViewerCameraMessage", "wxyz": wxyz, "position": position},
        **{"fov": 0.7, "near": 0.01, "far": 1000.0, "look_at": (0.0, 0.0, 0.0)},
        **{"image_width": WINDOW[0], "image_height": WINDOW[1], "up_direction": (0.0, 0.0, 1.0)},
    }
    return bytes(msgspec.msgpack.encode(message))


async def count(page: aiohttp.ClientWebSocketResponse, widths: list[int]) -> None:
    """Note the width of each picture that comes."""
    async for message in page:
        packed = int.from_bytes(message.data[8:16], "little")
        told = msgspec.msgpack.decode(zstandard.decompress(message.data[16 : 16 + packed]))
        for part in told["messages"]:
            if part["type"] == "BackgroundImageMessage" and part["rgb_data"]:
                widths.append(Image.open(io.BytesIO(part["rgb_data"])).width)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(turn(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))))
