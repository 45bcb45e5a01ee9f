"""Proves a configuration against mock clouds: everything real but what lies beyond the network."""
