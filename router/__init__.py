"""The router: scans every request, decides where it may go, sends it there and records what happened."""
