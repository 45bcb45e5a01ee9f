"""What recorded decisions would have been under another configuration. Calls nobody, scans nothing."""
