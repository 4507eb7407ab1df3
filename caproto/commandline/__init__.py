"""What people type: one module per tool, each with a ``main()``."""
