"""The scan: reads every text of a request and says how sensitive it is. No HTTP client, no model download, no log of text.

`scanner` is the way in; `masking` replaces what was found. Only worker processes import Presidio.
"""
