"""Benchmarks: `make bench` runs all and writes `bench/results/`."""
