"""Fields of records, one module per type; see scripts/record_tables.py."""
