"""The web UI, driven as a person does."""
