"""Spatial filters and localization, held against closed forms, physics and the offline baselines."""
