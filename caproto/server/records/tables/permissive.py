"""Fields of a permissive record; made by scripts/record_tables.py from EPICS Base 7.0.10, do not edit."""

FIELDS = (
    ("VAL", "value", "USHORT", "", "", 0, "PP ASL0", "Status"),
    ("WFLG", "wait_flag", "USHORT", "", "", 0, "PP", "Wait Flag"),
    ("LABL", "button_label", "STRING", "", "", 20, "PP", "Button Label"),
    ("OVAL", "old_status", "USHORT", "", "", 0, "NOMOD", "Old Status"),
    ("OFLG", "old_flag", "USHORT", "", "", 0, "NOMOD", "Old Flag"),
)
DEVICES: tuple[str, ...] = ()
