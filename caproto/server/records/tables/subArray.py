"""Fields of a subArray record; made by scripts/record_tables.py from EPICS Base 7.0.10, do not edit."""

FIELDS = (
    ("VAL", "value", "NOACCESS", "", "", 0, "DBADDR PP ASL0", "Value"),
    ("PREC", "display_precision", "SHORT", "", "", 0, "PROP", "Display Precision"),
    ("FTVL", "field_type_of_value", "MENU", "menuFtype", "", 0, "NOMOD", "Field Type of Value"),
    ("INP", "input_specification", "INLINK", "", "", 0, "", "Input Specification"),
    ("EGU", "engineering_units", "STRING", "", "", 16, "PROP", "Engineering Units"),
    ("HOPR", "high_operating_range", "DOUBLE", "", "", 0, "PROP", "High Operating Range"),
    ("LOPR", "low_operating_range", "DOUBLE", "", "", 0, "PROP", "Low Operating Range"),
    ("MALM", "maximum_elements", "ULONG", "", "1", 0, "NOMOD PROP", "Maximum Elements"),
    ("NELM", "number_of_elements", "ULONG", "", "1", 0, "PP", "Number of Elements"),
    ("INDX", "substring_index", "ULONG", "", "", 0, "PP", "Substring Index"),
    ("BUSY", "busy_indicator", "SHORT", "", "", 0, "NOMOD", "Busy Indicator"),
    ("NORD", "number_elements_read", "LONG", "", "", 0, "NOMOD", "Number elements read"),
)
DEVICES: tuple[str, ...] = ("Soft Channel",)
