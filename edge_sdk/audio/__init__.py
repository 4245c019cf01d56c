"""Samples from and to files and sound cards."""
