"""Hot paths against their peers and their limit, each in one interleaved run: `python -m benchmarks.<name>`."""
