"""Compiles what the usual settings need, for the image: python3 -m nerf_trainer.kernels

A program of its own, for one reason: torch looks a graph up by a hash in which the module is named
that `torch` is found in first. Were it this one, as the main module of the pool's processes, then
no training would find the graphs, and each would spend 12 s to make them anew.
"""

import multiprocessing

from nerf_trainer.compiler import USUAL, compile_for

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(len(USUAL)) as pool:
        pool.map(compile_for, USUAL)
