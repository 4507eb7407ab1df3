"""Fields of a waveform record; made by scripts/record_tables.py from EPICS Base 7.0.10, do not edit."""

FIELDS = (
    ("VAL", "value", "NOACCESS", "", "", 0, "DBADDR PP ASL0", "Value"),
    ("RARM", "rearm_the_waveform", "SHORT", "", "", 0, "PP", "Rearm the waveform"),
    ("PREC", "display_precision", "SHORT", "", "", 0, "PROP", "Display Precision"),
    ("INP", "input_specification", "INLINK", "", "", 0, "", "Input Specification"),
    ("EGU", "engineering_units", "STRING", "", "", 16, "PROP", "Engineering Units"),
    ("HOPR", "high_operating_range", "DOUBLE", "", "", 0, "PROP", "High Operating Range"),
    ("LOPR", "low_operating_range", "DOUBLE", "", "", 0, "PROP", "Low Operating Range"),
    ("NELM", "number_of_elements", "ULONG", "", "1", 0, "NOMOD", "Number of Elements"),
    ("FTVL", "field_type_of_value", "MENU", "menuFtype", "", 0, "NOMOD", "Field Type of Value"),
    ("BUSY", "busy_indicator", "SHORT", "", "", 0, "NOMOD", "Busy Indicator"),
    ("NORD", "number_elements_read", "ULONG", "", "", 0, "NOMOD", "Number elements read"),
    ("SIOL", "simulation_input_link", "INLINK", "", "", 0, "", "Simulation Input Link"),
    ("SIML", "simulation_mode_link", "INLINK", "", "", 0, "", "Simulation Mode Link"),
    ("SIMM", "simulation_mode", "MENU", "menuYesNo", "", 0, "MOD", "Simulation Mode"),
    ("SIMS", "simulation_mode_severity", "MENU", "menuAlarmSevr", "", 0, "", "Simulation Mode Severity"),
    ("OLDSIMM", "prev_simulation_mode", "MENU", "menuSimm", "", 0, "NOMOD", "Prev. Simulation Mode"),
    ("SSCN", "sim_mode_scan", "MENU", "menuScan", "65535", 0, "", "Sim. Mode Scan"),
    ("SDLY", "sim_mode_async_delay", "DOUBLE", "", "-1.0", 0, "", "Sim. Mode Async Delay"),
    ("MPST", "post_value_monitors", "MENU", "waveformPOST", "", 0, "", "Post Value Monitors"),
    ("APST", "post_archive_monitors", "MENU", "waveformPOST", "", 0, "", "Post Archive Monitors"),
    ("HASH", "hash_of_onchange_data", "ULONG", "", "", 0, "", "Hash of OnChange data."),
)
DEVICES: tuple[str, ...] = ("Soft Channel",)
