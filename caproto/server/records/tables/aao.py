"""Fields of an aao record; made by scripts/record_tables.py from EPICS Base 7.0.10, do not edit."""

FIELDS = (
    ("VAL", "value", "NOACCESS", "", "", 0, "DBADDR PP ASL0", "Value"),
    ("PREC", "display_precision", "SHORT", "", "", 0, "PROP", "Display Precision"),
    ("OUT", "output_specification", "OUTLINK", "", "", 0, "", "Output Specification"),
    ("DOL", "desired_output_loc", "INLINK", "", "", 0, "", "Desired Output Link"),
    ("OMSL", "output_mode_select", "MENU", "menuOmsl", "", 0, "", "Output Mode Select"),
    ("EGU", "engineering_units", "STRING", "", "", 16, "PROP", "Engineering Units"),
    ("HOPR", "high_operating_range", "DOUBLE", "", "", 0, "PROP", "High Operating Range"),
    ("LOPR", "low_operating_range", "DOUBLE", "", "", 0, "PROP", "Low Operating Range"),
    ("NELM", "number_of_elements", "ULONG", "", "1", 0, "NOMOD PROP", "Number of Elements"),
    ("FTVL", "field_type_of_value", "MENU", "menuFtype", "", 0, "NOMOD", "Field Type of Value"),
    ("NORD", "number_elements_read", "ULONG", "", "", 0, "NOMOD", "Number elements read"),
    ("SIML", "simulation_mode_link", "INLINK", "", "", 0, "", "Simulation Mode Link"),
    ("SIMM", "simulation_mode", "MENU", "menuYesNo", "", 0, "MOD", "Simulation Mode"),
    ("SIMS", "simulation_mode_severity", "MENU", "menuAlarmSevr", "", 0, "", "Simulation Mode Severity"),
    ("SIOL", "simulation_output_link", "OUTLINK", "", "", 0, "", "Simulation Output Link"),
    ("OLDSIMM", "prev_simulation_mode", "MENU", "menuSimm", "", 0, "NOMOD", "Prev. Simulation Mode"),
    ("SSCN", "sim_mode_scan", "MENU", "menuScan", "65535", 0, "", "Sim. Mode Scan"),
    ("SDLY", "sim_mode_async_delay", "DOUBLE", "", "-1.0", 0, "", "Sim. Mode Async Delay"),
    ("MPST", "post_value_monitors", "MENU", "aaoPOST", "", 0, "", "Post Value Monitors"),
    ("APST", "post_archive_monitors", "MENU", "aaoPOST", "", 0, "", "Post Archive Monitors"),
    ("HASH", "hash_of_onchange_data", "ULONG", "", "", 0, "", "Hash of OnChange data."),
)
DEVICES: tuple[str, ...] = ("Soft Channel",)
