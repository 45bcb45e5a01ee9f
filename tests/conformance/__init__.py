"""Every dialect that callers speak against every kind of provider, by the callers' own clients: what arrives, and what doesn't."""
