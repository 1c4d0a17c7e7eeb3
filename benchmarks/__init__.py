"""Benchmarks beside the peers: ``python -m benchmarks`` lists them."""
