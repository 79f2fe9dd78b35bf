"""`python3 -m nerf_trainer` is `python3 -m nerf_trainer.train`."""

import sys

from nerf_trainer.train import main

sys.exit(main())
