"""`python -m nerf_operator`: run the operator until SIGTERM."""

import asyncio
import json
import logging
import sys

from nerf_operator import running
from nerf_operator.settings import Settings, SettingsError


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure_logging(level: str) -> None:
    """JSON lines on stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    if level != "DEBUG":
        logging.getLogger("kopf").setLevel(logging.WARNING)


def main() -> int:
    """Wire the parts and run. Exit code 2: settings that make no sense."""
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        print(f"nerf-operator: {error}", file=sys.stderr)
        return 2
    configure_logging(settings.log_level)
    asyncio.run(running.run(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
