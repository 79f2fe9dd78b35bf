"""Why a job is as it is: what was read of it, and a pure chain from the effect to the cause."""
