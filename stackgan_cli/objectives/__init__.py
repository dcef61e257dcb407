"""Objectives: what a stage may be trained for beside fooling its discriminators."""
