"""Recordings and the mixtures made of them."""
