"""What runs in an environment of its own, beside torchgeo: its dependencies break Dagster."""
