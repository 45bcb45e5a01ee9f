"""What a text can be disguised as, one module per kind; each rewrites a view or gives further ones."""
