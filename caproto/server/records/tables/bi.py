"""Fields of a bi record; made by scripts/record_tables.py from EPICS Base 7.0.10, do not edit."""

FIELDS = (
    ("INP", "input_specification", "INLINK", "", "", 0, "", "Input Specification"),
    ("VAL", "value", "ENUM", "", "", 0, "PP ASL0", "Current Value"),
    ("ZSV", "zero_error_severity", "MENU", "menuAlarmSevr", "", 0, "PP", "Zero Error Severity"),
    ("OSV", "one_error_severity", "MENU", "menuAlarmSevr", "", 0, "PP", "One Error Severity"),
    ("COSV", "change_of_state_svr", "MENU", "menuAlarmSevr", "", 0, "PP", "Change of State Svr"),
    ("ZNAM", "zero_name", "STRING", "", "", 26, "PP PROP", "Zero Name"),
    ("ONAM", "one_name", "STRING", "", "", 26, "PP PROP", "One Name"),
    ("RVAL", "raw_value", "ULONG", "", "", 0, "PP", "Raw Value"),
    ("ORAW", "prev_raw_value", "ULONG", "", "", 0, "NOMOD", "prev Raw Value"),
    ("MASK", "hardware_mask", "ULONG", "", "", 0, "NOMOD", "Hardware Mask"),
    ("LALM", "last_value_alarmed", "USHORT", "", "", 0, "NOMOD", "Last Value Alarmed"),
    ("MLST", "last_value_monitored", "USHORT", "", "", 0, "NOMOD", "Last Value Monitored"),
    ("SIOL", "simulation_input_link", "INLINK", "", "", 0, "", "Simulation Input Link"),
    ("SVAL", "simulation_value", "ULONG", "", "", 0, "", "Simulation Value"),
    ("SIML", "simulation_mode_link", "INLINK", "", "", 0, "", "Simulation Mode Link"),
    ("SIMM", "simulation_mode", "MENU", "menuSimm", "", 0, "MOD", "Simulation Mode"),
    ("SIMS", "simulation_mode_severity", "MENU", "menuAlarmSevr", "", 0, "", "Simulation Mode Severity"),
    ("OLDSIMM", "prev_simulation_mode", "MENU", "menuSimm", "", 0, "NOMOD", "Prev. Simulation Mode"),
    ("SSCN", "sim_mode_scan", "MENU", "menuScan", "65535", 0, "", "Sim. Mode Scan"),
    ("SDLY", "sim_mode_async_delay", "DOUBLE", "", "-1.0", 0, "", "Sim. Mode Async Delay"),
)
DEVICES: tuple[str, ...] = ("Soft Channel", "Raw Soft Channel", "Async Soft Channel", "Db State")
