"""Fitting networks: the loop, its state and its folder, on one process or many."""
