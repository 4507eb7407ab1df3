"""Fields of a compress record; made by scripts/record_tables.py from EPICS Base 7.0.10, do not edit."""

FIELDS = (
    ("VAL", "value", "NOACCESS", "", "", 0, "DBADDR PP ASL0", "Value"),
    ("INP", "input_specification", "INLINK", "", "", 0, "", "Input Specification"),
    ("RES", "reset", "SHORT", "", "", 0, "RESET ASL0", "Reset"),
    ("ALG", "compression_algorithm", "MENU", "compressALG", "", 0, "RESET", "Compression Algorithm"),
    ("PBUF", "use_partial_buffers", "MENU", "menuYesNo", "NO", 0, "RESET", "Use Partial buffers"),
    ("BALG", "buffering_algorithm", "MENU", "bufferingALG", "", 0, "RESET", "Buffering Algorithm"),
    ("NSAM", "number_of_values", "ULONG", "", "1", 0, "NOMOD", "Number of Values"),
    ("N", "n_to_1_compression", "ULONG", "", "1", 0, "RESET", "N to 1 Compression"),
    ("IHIL", "init_high_interest_lim", "DOUBLE", "", "", 0, "", "Init High Interest Lim"),
    ("ILIL", "init_low_interest_lim", "DOUBLE", "", "", 0, "", "Init Low Interest Lim"),
    ("HOPR", "high_operating_range", "DOUBLE", "", "", 0, "PROP", "High Operating Range"),
    ("LOPR", "low_operating_range", "DOUBLE", "", "", 0, "PROP", "Low Operating Range"),
    ("PREC", "display_precision", "SHORT", "", "", 0, "PROP", "Display Precision"),
    ("EGU", "engineering_units", "STRING", "", "", 16, "PROP", "Engineering Units"),
    ("OFF", "offset", "ULONG", "", "", 0, "NOMOD", "Offset"),
    ("NUSE", "number_used", "ULONG", "", "", 0, "NOMOD", "Number Used"),
    ("OUSE", "old_number_used", "ULONG", "", "", 0, "NOMOD", "Old Number Used"),
    (
        "INPN",
        "number_of_elements_in_working_buffer",
        "LONG",
        "",
        "",
        0,
        "NOMOD",
        "Number of elements in Working Buffer",
    ),
    ("CVB", "compress_value_buffer", "DOUBLE", "", "", 0, "NOMOD", "Compress Value Buffer"),
    ("INX", "compressed_array_inx", "ULONG", "", "", 0, "NOMOD", "Current number of readings"),
)
DEVICES: tuple[str, ...] = ()
