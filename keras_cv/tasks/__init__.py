"""Tasks that several families share."""
