"""A benchmark of choosing among LoRA adapters: `python -m bench.sona`."""
