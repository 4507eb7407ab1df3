"""Fields of a histogram record; made by scripts/record_tables.py from EPICS Base 7.0.10, do not edit."""

FIELDS = (
    ("VAL", "value", "NOACCESS", "", "", 0, "DBADDR ASL0", "Value"),
    ("NELM", "num_of_array_elements", "USHORT", "", "1", 0, "NOMOD", "Num of Array Elements"),
    ("CSTA", "collection_status", "SHORT", "", "1", 0, "NOMOD", "Collection Status"),
    ("CMD", "collection_control", "MENU", "histogramCMD", "", 0, "CALC ASL0", "Collection Control"),
    ("ULIM", "upper_signal_limit", "DOUBLE", "", "", 0, "RESET PROP", "Upper Signal Limit"),
    ("LLIM", "lower_signal_limit", "DOUBLE", "", "", 0, "RESET PROP", "Lower Signal Limit "),
    ("WDTH", "element_width", "DOUBLE", "", "", 0, "NOMOD", "Element Width"),
    ("SGNL", "signal_value", "DOUBLE", "", "", 0, "MOD", "Signal Value"),
    ("PREC", "display_precision", "SHORT", "", "", 0, "PROP", "Display Precision"),
    ("SVL", "signal_value_location", "INLINK", "", "", 0, "", "Signal Value Location"),
    ("MDEL", "monitor_count_deadband", "SHORT", "", "", 0, "", "Monitor Count Deadband"),
    ("MCNT", "counts_since_monitor", "SHORT", "", "", 0, "NOMOD", "Counts Since Monitor"),
    ("SDEL", "monitor_seconds_dband", "DOUBLE", "", "", 0, "RESET", "Monitor Seconds Dband"),
    ("SIOL", "simulation_input_link", "INLINK", "", "", 0, "", "Simulation Input Link"),
    ("SVAL", "simulation_value", "DOUBLE", "", "", 0, "", "Simulation Value"),
    ("SIML", "simulation_mode_link", "INLINK", "", "", 0, "", "Simulation Mode Link"),
    ("SIMM", "simulation_mode", "MENU", "menuYesNo", "", 0, "MOD", "Simulation Mode"),
    ("SIMS", "simulation_mode_severity", "MENU", "menuAlarmSevr", "", 0, "", "Simulation Mode Severity"),
    ("OLDSIMM", "prev_simulation_mode", "MENU", "menuSimm", "", 0, "NOMOD", "Prev. Simulation Mode"),
    ("SSCN", "sim_mode_scan", "MENU", "menuScan", "65535", 0, "", "Sim. Mode Scan"),
    ("SDLY", "sim_mode_async_delay", "DOUBLE", "", "-1.0", 0, "", "Sim. Mode Async Delay"),
    ("HOPR", "high_operating_range", "ULONG", "", "", 0, "PROP", "High Operating Range"),
    ("LOPR", "low_operating_range", "ULONG", "", "", 0, "PROP", "Low Operating Range"),
)
DEVICES: tuple[str, ...] = ("Soft Channel",)
