"""The embedded demo model: generators, training and evaluation of a tiny base and its adapters.

Only this package may import torch, transformers or peft, and only inside the functions that train.
"""
