"""Channel Access for programs that run on trio."""
