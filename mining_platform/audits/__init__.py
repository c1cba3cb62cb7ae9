"""Audits: what a published version rests on, down to raw inputs, and whether all of it is still what it was."""
