"""What came of each request: prices, metrics and decision records. Never text."""
