"""Channel Access for programs that run on asyncio."""
