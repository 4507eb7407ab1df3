"""Fields of a stringin record; made by scripts/record_tables.py from EPICS Base 7.0.10, do not edit."""

FIELDS = (
    ("VAL", "value", "STRING", "", "", 40, "PP ASL0", "Current Value"),
    ("OVAL", "previous_value", "STRING", "", "", 40, "NOMOD", "Previous Value"),
    ("INP", "input_specification", "INLINK", "", "", 0, "", "Input Specification"),
    ("MPST", "post_value_monitors", "MENU", "stringinPOST", "", 0, "", "Post Value Monitors"),
    ("APST", "post_archive_monitors", "MENU", "stringinPOST", "", 0, "", "Post Archive Monitors"),
    ("SIOL", "simulation_input_link", "INLINK", "", "", 0, "", "Simulation Input Link"),
    ("SVAL", "simulation_value", "STRING", "", "", 40, "PP", "Simulation Value"),
    ("SIML", "simulation_mode_link", "INLINK", "", "", 0, "", "Simulation Mode Link"),
    ("SIMM", "simulation_mode", "MENU", "menuYesNo", "", 0, "MOD", "Simulation Mode"),
    ("SIMS", "simulation_mode_severity", "MENU", "menuAlarmSevr", "", 0, "", "Simulation Mode Severity"),
    ("OLDSIMM", "prev_simulation_mode", "MENU", "menuSimm", "", 0, "NOMOD", "Prev. Simulation Mode"),
    ("SSCN", "sim_mode_scan", "MENU", "menuScan", "65535", 0, "", "Sim. Mode Scan"),
    ("SDLY", "sim_mode_async_delay", "DOUBLE", "", "-1.0", 0, "", "Sim. Mode Async Delay"),
)
DEVICES: tuple[str, ...] = ("Soft Channel", "Async Soft Channel", "Soft Timestamp", "General Time", "getenv")
