"""Engines that find names beside the tagger that ships with the router: `build(model)` gives a Presidio recognizer.

A module here imports its package inside `build` alone, which runs in the scan's processes, and never downloads: the
model is a folder on this machine.
"""
