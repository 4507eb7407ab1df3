"""Examples of what one should not do."""
