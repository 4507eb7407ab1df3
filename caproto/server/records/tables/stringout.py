"""Fields of a stringout record; made by scripts/record_tables.py from EPICS Base 7.0.10, do not edit."""

FIELDS = (
    ("VAL", "value", "STRING", "", "", 40, "PP ASL0", "Current Value"),
    ("OVAL", "previous_value", "STRING", "", "", 40, "NOMOD", "Previous Value"),
    ("DOL", "desired_output_loc", "INLINK", "", "", 0, "", "Desired Output Link"),
    ("OMSL", "output_mode_select", "MENU", "menuOmsl", "", 0, "", "Output Mode Select"),
    ("OUT", "output_specification", "OUTLINK", "", "", 0, "", "Output Specification"),
    ("MPST", "post_value_monitors", "MENU", "stringoutPOST", "", 0, "", "Post Value Monitors"),
    ("APST", "post_archive_monitors", "MENU", "stringoutPOST", "", 0, "", "Post Archive Monitors"),
    ("SIOL", "simulation_output_link", "OUTLINK", "", "", 0, "", "Simulation Output Link"),
    ("SIML", "simulation_mode_link", "INLINK", "", "", 0, "", "Simulation Mode Link"),
    ("SIMM", "simulation_mode", "MENU", "menuYesNo", "", 0, "MOD", "Simulation Mode"),
    ("SIMS", "simulation_mode_severity", "MENU", "menuAlarmSevr", "", 0, "", "Simulation Mode Severity"),
    ("OLDSIMM", "prev_simulation_mode", "MENU", "menuSimm", "", 0, "NOMOD", "Prev. Simulation Mode"),
    ("SSCN", "sim_mode_scan", "MENU", "menuScan", "65535", 0, "", "Sim. Mode Scan"),
    ("SDLY", "sim_mode_async_delay", "DOUBLE", "", "-1.0", 0, "", "Sim. Mode Async Delay"),
    ("IVOA", "invalid_output_action", "MENU", "menuIvoa", "", 0, "", "INVALID output action"),
    ("IVOV", "invalid_output_value", "STRING", "", "", 40, "", "INVALID output value"),
)
DEVICES: tuple[str, ...] = ("Soft Channel", "Async Soft Channel", "stdio")
