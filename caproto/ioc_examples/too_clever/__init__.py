"""Examples of what one could do."""
