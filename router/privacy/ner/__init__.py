"""A small tagger for names of persons, places and addresses: `model` runs it with numpy, `train` makes its weights."""
