"""What a model behind each API hears of a request and how it answers: one module for every dialect of an upstream."""
