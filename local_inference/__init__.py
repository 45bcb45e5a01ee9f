"""The engine host: a process in front of an inference engine that loads LoRA adapters from a folder while it runs."""
