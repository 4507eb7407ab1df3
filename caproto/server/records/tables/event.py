"""Fields of an event record; made by scripts/record_tables.py from EPICS Base 7.0.10, do not edit."""

FIELDS = (
    ("VAL", "value", "STRING", "", "", 40, "MOD ASL0", "Event Name To Post"),
    ("INP", "input_specification", "INLINK", "", "", 0, "", "Input Specification"),
    ("SIOL", "sim_input_specifctn", "INLINK", "", "", 0, "", "Sim Input Specifctn"),
    ("SVAL", "simulation_value", "STRING", "", "", 40, "", "Simulation Value"),
    ("SIML", "sim_mode_location", "INLINK", "", "", 0, "", "Sim Mode Location"),
    ("SIMM", "simulation_mode", "MENU", "menuYesNo", "", 0, "MOD", "Simulation Mode"),
    ("SIMS", "sim_mode_alarm_svrty", "MENU", "menuAlarmSevr", "", 0, "", "Sim mode Alarm Svrty"),
    ("OLDSIMM", "prev_simulation_mode", "MENU", "menuSimm", "", 0, "NOMOD", "Prev. Simulation Mode"),
    ("SSCN", "sim_mode_scan", "MENU", "menuScan", "65535", 0, "", "Sim. Mode Scan"),
    ("SDLY", "sim_mode_async_delay", "DOUBLE", "", "-1.0", 0, "", "Sim. Mode Async Delay"),
)
DEVICES: tuple[str, ...] = ("Soft Channel",)
