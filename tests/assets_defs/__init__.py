"""Dagster's side of the house."""
