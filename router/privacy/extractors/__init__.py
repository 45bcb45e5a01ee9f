"""What reads the text in images, recordings and files, so that it can be scanned; none ships, and none is on by default.

A module here, or a package's entry point in the group `sona.router.privacy.extractors`, defines `build()`, which gives a
`core.ports.Extractor`. It runs beside the event loop's other tasks: what keeps a CPU busy belongs into a process of its own.
"""
