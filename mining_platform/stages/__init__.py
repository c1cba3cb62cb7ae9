"""What happens in one partition of each asset: read the inputs, call the domain's functions, write the outputs.

A stage is a function (platform, partition key, inputs, empty folder) -> facts, as `artifacts.produce` wants it.
It holds no science of its own.
"""
