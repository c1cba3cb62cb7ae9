"""The domain: arrays and tables in, arrays and tables out. Nothing here imports dagster."""
