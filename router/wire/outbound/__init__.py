"""The dialects of upstreams, one module each: chat completions translated into them, their answers translated back."""
