"""SONA: picks the adapter that fits a prompt, or none; may import `router.core` and no HTTP client."""
