"""The HTTP surface: FastAPI for the routes, pure ASGI around answers and streams."""
