"""Fields of a state record; made by scripts/record_tables.py from EPICS Base 7.0.10, do not edit."""

FIELDS = (
    ("VAL", "value", "STRING", "", "", 20, "PP ASL0", "Value"),
    ("OVAL", "prev_value", "STRING", "", "", 20, "NOMOD", "Prev Value"),
)
DEVICES: tuple[str, ...] = ()
