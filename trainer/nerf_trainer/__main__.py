"""`python3 -m nerf_trainer` is `python3 -m nerf_trainer.train`."""

from nerf_trainer.train import leave, main

leave(main())
