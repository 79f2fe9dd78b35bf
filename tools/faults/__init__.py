"""The fault matrix: its rows, what came of them, and a program that goes through them."""
