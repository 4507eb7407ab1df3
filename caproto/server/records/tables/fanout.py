"""Fields of a fanout record; made by scripts/record_tables.py from EPICS Base 7.0.10, do not edit."""

FIELDS = (
    ("VAL", "value", "LONG", "", "", 0, "PP ASL0", "Used to trigger"),
    ("SELM", "select_mechanism", "MENU", "fanoutSELM", "", 0, "", "Select Mechanism"),
    ("SELN", "link_selection", "USHORT", "", "1", 0, "", "Link Selection"),
    ("SELL", "link_selection_loc", "INLINK", "", "", 0, "", "Link Selection Loc"),
    ("OFFS", "offset_for_specified", "SHORT", "", "0", 0, "", "Offset for Specified"),
    ("SHFT", "shift_for_mask_mode", "SHORT", "", "-1", 0, "", "Shift for Mask mode"),
    ("LNK0", "forward_link_0", "FWDLINK", "", "", 0, "", "Forward Link 0"),
    ("LNK1", "forward_link_1", "FWDLINK", "", "", 0, "", "Forward Link 1"),
    ("LNK2", "forward_link_2", "FWDLINK", "", "", 0, "", "Forward Link 2"),
    ("LNK3", "forward_link_3", "FWDLINK", "", "", 0, "", "Forward Link 3"),
    ("LNK4", "forward_link_4", "FWDLINK", "", "", 0, "", "Forward Link 4"),
    ("LNK5", "forward_link_5", "FWDLINK", "", "", 0, "", "Forward Link 5"),
    ("LNK6", "forward_link_6", "FWDLINK", "", "", 0, "", "Forward Link 6"),
    ("LNK7", "forward_link_7", "FWDLINK", "", "", 0, "", "Forward Link 7"),
    ("LNK8", "forward_link_8", "FWDLINK", "", "", 0, "", "Forward Link 8"),
    ("LNK9", "forward_link_9", "FWDLINK", "", "", 0, "", "Forward Link 9"),
    ("LNKA", "forward_link_10", "FWDLINK", "", "", 0, "", "Forward Link 10"),
    ("LNKB", "forward_link_11", "FWDLINK", "", "", 0, "", "Forward Link 11"),
    ("LNKC", "forward_link_12", "FWDLINK", "", "", 0, "", "Forward Link 12"),
    ("LNKD", "forward_link_13", "FWDLINK", "", "", 0, "", "Forward Link 13"),
    ("LNKE", "forward_link_14", "FWDLINK", "", "", 0, "", "Forward Link 14"),
    ("LNKF", "forward_link_15", "FWDLINK", "", "", 0, "", "Forward Link 15"),
)
DEVICES: tuple[str, ...] = ()
