"""Fields of a printf record; made by scripts/record_tables.py from EPICS Base 7.0.10, do not edit."""

FIELDS = (
    ("VAL", "value", "NOACCESS", "", "", 0, "DBADDR PP ASL0", "Result"),
    ("SIZV", "size_of_val_buffer", "USHORT", "", "41", 0, "NOMOD", "Size of VAL buffer"),
    ("LEN", "length_of_val", "ULONG", "", "", 0, "NOMOD", "Length of VAL"),
    ("OUT", "output_specification", "OUTLINK", "", "", 0, "", "Output Specification"),
    ("FMT", "format_string", "STRING", "", "", 81, "PP", "Format String"),
    ("IVLS", "invalid_link_string", "STRING", "", "LNK", 16, "", "Invalid Link String"),
    ("INP0", "input_0", "INLINK", "", "", 0, "", "Input 0"),
    ("INP1", "input_1", "INLINK", "", "", 0, "", "Input 1"),
    ("INP2", "input_2", "INLINK", "", "", 0, "", "Input 2"),
    ("INP3", "input_3", "INLINK", "", "", 0, "", "Input 3"),
    ("INP4", "input_4", "INLINK", "", "", 0, "", "Input 4"),
    ("INP5", "input_5", "INLINK", "", "", 0, "", "Input 5"),
    ("INP6", "input_6", "INLINK", "", "", 0, "", "Input 6"),
    ("INP7", "input_7", "INLINK", "", "", 0, "", "Input 7"),
    ("INP8", "input_8", "INLINK", "", "", 0, "", "Input 8"),
    ("INP9", "input_9", "INLINK", "", "", 0, "", "Input 9"),
)
DEVICES: tuple[str, ...] = ("Soft Channel", "Async Soft Channel", "stdio")
