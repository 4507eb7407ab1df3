"""Examples of what is seldom needed."""
