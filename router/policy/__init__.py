"""What policy permits: the verdict on a scanned request, and the only way to a permission to send it."""
