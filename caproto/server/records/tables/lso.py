"""Fields of a lso record; made by scripts/record_tables.py from EPICS Base 7.0.10, do not edit."""

FIELDS = (
    ("VAL", "value", "NOACCESS", "", "", 0, "DBADDR PP ASL0", "Current Value"),
    ("OVAL", "previous_value", "NOACCESS", "", "", 0, "DBADDR", "Previous Value"),
    ("SIZV", "size_of_buffers", "USHORT", "", "41", 0, "NOMOD", "Size of buffers"),
    ("LEN", "length_of_val", "ULONG", "", "", 0, "NOMOD", "Length of VAL"),
    ("OLEN", "length_of_oval", "ULONG", "", "", 0, "NOMOD", "Length of OVAL"),
    ("DOL", "desired_output_loc", "INLINK", "", "", 0, "", "Desired Output Link"),
    ("IVOA", "invalid_output_action", "MENU", "menuIvoa", "", 0, "", "INVALID Output Action"),
    ("IVOV", "invalid_output_value", "STRING", "", "", 40, "", "INVALID Output Value"),
    ("OMSL", "output_mode_select", "MENU", "menuOmsl", "", 0, "", "Output Mode Select"),
    ("OUT", "output_specification", "OUTLINK", "", "", 0, "", "Output Specification"),
    ("MPST", "post_value_monitors", "MENU", "menuPost", "", 0, "", "Post Value Monitors"),
    ("APST", "post_archive_monitors", "MENU", "menuPost", "", 0, "", "Post Archive Monitors"),
    ("SIML", "simulation_mode_link", "INLINK", "", "", 0, "", "Simulation Mode link"),
    ("SIMM", "simulation_mode", "MENU", "menuYesNo", "", 0, "MOD", "Simulation Mode"),
    ("SIMS", "simulation_mode_severity", "MENU", "menuAlarmSevr", "", 0, "", "Simulation Mode Severity"),
    ("SIOL", "simulation_output_link", "OUTLINK", "", "", 0, "", "Simulation Output Link"),
    ("OLDSIMM", "prev_simulation_mode", "MENU", "menuSimm", "", 0, "NOMOD", "Prev. Simulation Mode"),
    ("SSCN", "sim_mode_scan", "MENU", "menuScan", "65535", 0, "", "Sim. Mode Scan"),
    ("SDLY", "sim_mode_async_delay", "DOUBLE", "", "-1.0", 0, "", "Sim. Mode Async Delay"),
)
DEVICES: tuple[str, ...] = ("Soft Channel", "Async Soft Channel", "stdio")
