"""What the example IOCs serve under their default prefixes: native type, element count, whether it is for reading."""

from __future__ import annotations

from typing import NamedTuple


class Listed(NamedTuple):
    """One PV."""

    native: str
    count: int
    read_only: bool


EXAMPLES: dict[str, dict[str, Listed]] = {
    "advanced.raw_timestamp": {
        "raw:timestamp:update": Listed("LONG", 1, False),
        "raw:timestamp:value": Listed("LONG", 1, True),
    },
    "advanced.thread_client_monitor": {
        "mirror:mirrored": Listed("DOUBLE", 1, False),
    },
    "advanced.type_varieties": {
        "type_varieties:pi": Listed("DOUBLE", 1, False),
        "type_varieties:fib": Listed("DOUBLE", 11, False),
        "type_varieties:enum": Listed("ENUM", 1, False),
        "type_varieties:enum2": Listed("ENUM", 1, False),
        "type_varieties:int": Listed("LONG", 1, False),
        "type_varieties:int2": Listed("LONG", 1, False),
        "type_varieties:int3": Listed("LONG", 1, False),
        "type_varieties:char": Listed("CHAR", 1, False),
        "type_varieties:chararray": Listed("CHAR", 20, False),
        "type_varieties:str": Listed("STRING", 1, False),
        "type_varieties:str2": Listed("STRING", 1, False),
        "type_varieties:stra": Listed("STRING", 3, False),
        "type_varieties:waveform": Listed("LONG", 4000, False),
        "type_varieties:empty_string": Listed("STRING", 1, False),
        "type_varieties:empty_bytes": Listed("CHAR", 1, False),
        "type_varieties:empty_char": Listed("CHAR", 1, False),
        "type_varieties:empty_float": Listed("DOUBLE", 2, False),
    },
    "autosave": {
        "autosaved_simple:autosave_helper::__autosave_hook__": Listed("LONG", 1, True),
        "autosaved_simple:A": Listed("LONG", 1, False),
        "autosaved_simple:B": Listed("DOUBLE", 1, False),
        "autosaved_simple:C": Listed("LONG", 3, False),
        "autosaved_simple:subgroup:A": Listed("LONG", 1, False),
        "autosaved_simple:subgroup:B": Listed("DOUBLE", 1, False),
        "autosaved_simple:subgroup:C": Listed("LONG", 3, False),
    },
    "big_image_noisy_neighbor": {
        "big_image:t1": Listed("DOUBLE", 1, False),
        "big_image:image": Listed("CHAR", 15681600, False),
    },
    "chirp": {
        "chirp:chirp": Listed("DOUBLE", 1, True),
        "chirp:steady": Listed("LONG", 1, True),
    },
    "client_monitor_async": {
        "mirror:mirrored": Listed("DOUBLE", 1, False),
    },
    "custom_write": {
        "custom_write:directory": Listed("STRING", 1, False),
        "custom_write:A": Listed("LONG", 1, False),
        "custom_write:B": Listed("LONG", 1, False),
    },
    "decay": {
        "decay:I": Listed("DOUBLE", 1, True),
        "decay:done": Listed("ENUM", 1, True),
        "decay:SP": Listed("DOUBLE", 1, False),
        "decay:K": Listed("DOUBLE", 1, False),
        "decay:Tvar": Listed("DOUBLE", 1, False),
    },
    "enums": {
        "enum:bo": Listed("ENUM", 1, False),
        "enum:bi": Listed("ENUM", 1, False),
        "enum:mbbi": Listed("ENUM", 1, False),
        "enum:enum_class": Listed("ENUM", 1, False),
    },
    "fake_motor_record": {
        "sim:mtr1": Listed("DOUBLE", 1, False),
        "sim:mtr2": Listed("DOUBLE", 1, False),
        "sim:mtr3": Listed("DOUBLE", 1, False),
    },
    "io_interrupt": {
        "io:keypress": Listed("CHAR", 10, True),
    },
    "macros": {
        "macros:my_beamline:thing.VAL": Listed("LONG", 1, False),
        "macros:my_beamline:thing.RBV": Listed("LONG", 1, False),
    },
    "mini_beamline": {
        "mini:current": Listed("DOUBLE", 1, True),
        "mini:ph:det": Listed("DOUBLE", 1, True),
        "mini:ph:mtr": Listed("DOUBLE", 1, False),
        "mini:ph:exp": Listed("DOUBLE", 1, False),
        "mini:ph:vel": Listed("DOUBLE", 1, False),
        "mini:ph:mtr_tick_rate": Listed("DOUBLE", 1, False),
        "mini:edge:det": Listed("DOUBLE", 1, True),
        "mini:edge:mtr": Listed("DOUBLE", 1, False),
        "mini:edge:exp": Listed("DOUBLE", 1, False),
        "mini:edge:vel": Listed("DOUBLE", 1, False),
        "mini:edge:mtr_tick_rate": Listed("DOUBLE", 1, False),
        "mini:slit:det": Listed("DOUBLE", 1, True),
        "mini:slit:mtr": Listed("DOUBLE", 1, False),
        "mini:slit:exp": Listed("DOUBLE", 1, False),
        "mini:slit:vel": Listed("DOUBLE", 1, False),
        "mini:slit:mtr_tick_rate": Listed("DOUBLE", 1, False),
        "mini:dot:det": Listed("DOUBLE", 307200, True),
        "mini:dot:img_sum": Listed("DOUBLE", 1, True),
        "mini:dot:mtrx": Listed("DOUBLE", 1, False),
        "mini:dot:mtry": Listed("DOUBLE", 1, False),
        "mini:dot:exp": Listed("DOUBLE", 1, False),
        "mini:dot:shutter_open": Listed("LONG", 1, False),
        "mini:dot:ArraySizeY_RBV": Listed("LONG", 1, True),
        "mini:dot:ArraySizeX_RBV": Listed("LONG", 1, True),
        "mini:dot:ArraySize_RBV": Listed("LONG", 2, True),
    },
    "no_pvproperty": {
        "pvspec:a": Listed("LONG", 1, False),
        "pvspec:b": Listed("DOUBLE", 1, False),
        "pvspec:c": Listed("LONG", 3, False),
    },
    "pathological.reading_counter": {
        "reading_counter:A": Listed("LONG", 1, False),
        "reading_counter:B": Listed("LONG", 1, False),
    },
    "random_walk": {
        "random_walk:dt": Listed("DOUBLE", 1, False),
        "random_walk:x": Listed("DOUBLE", 1, False),
    },
    "records": {
        "mock:A": Listed("DOUBLE", 1, False),
        "mock:B": Listed("DOUBLE", 1, False),
        "mock:C": Listed("DOUBLE", 1, False),
        "mock:D": Listed("DOUBLE", 1, False),
        "mock:E": Listed("STRING", 1, False),
    },
    "records_subclass": {
        "mock:motor1": Listed("DOUBLE", 1, False),
        "mock:motor2": Listed("DOUBLE", 1, False),
    },
    "rpc_function": {
        "rpc:fixed_random": Listed("LONG", 1, False),
        "rpc:get_random:low": Listed("LONG", 1, False),
        "rpc:get_random:high": Listed("LONG", 1, False),
        "rpc:get_random:Status": Listed("CHAR", 256, True),
        "rpc:get_random:Retval": Listed("LONG", 1, True),
        "rpc:get_random:Process": Listed("LONG", 1, False),
    },
    "scalars_and_arrays": {
        "arr:scalar_int": Listed("LONG", 1, False),
        "arr:scalar_int2": Listed("LONG", 1, False),
        "arr:array_int": Listed("LONG", 5, False),
        "arr:scalar_float": Listed("DOUBLE", 1, False),
        "arr:array_float": Listed("DOUBLE", 5, False),
        "arr:scalar_string": Listed("STRING", 1, False),
        "arr:array_string": Listed("STRING", 5, False),
        "arr:byte": Listed("CHAR", 10, False),
        "arr:char": Listed("CHAR", 10, False),
        "arr:enum": Listed("ENUM", 1, False),
    },
    "scan_rate": {
        "periodic:scanned": Listed("DOUBLE", 1, False),
    },
    "setpoint_rbv_pair": {
        "setpoint_rbv:pair": Listed("LONG", 1, False),
        "setpoint_rbv:pair_RBV": Listed("LONG", 1, True),
        "setpoint_rbv:pair2": Listed("DOUBLE", 1, False),
        "setpoint_rbv:pair2_RBV": Listed("DOUBLE", 1, True),
        "setpoint_rbv:pair3": Listed("ENUM", 1, False),
        "setpoint_rbv:pair3_RBV": Listed("ENUM", 1, True),
    },
    "simple": {
        "simple:A": Listed("LONG", 1, False),
        "simple:B": Listed("DOUBLE", 1, False),
        "simple:C": Listed("LONG", 3, False),
    },
    "simple_with_type_hints": {
        "simple:A": Listed("LONG", 1, False),
        "simple:B": Listed("DOUBLE", 1, True),
        "simple:C": Listed("LONG", 3, False),
        "simple:D": Listed("DOUBLE", 1, False),
    },
    "skip_write": {
        "skip:value": Listed("LONG", 1, False),
    },
    "startup_and_shutdown_hooks": {
        "simple:thing": Listed("LONG", 1, False),
    },
    "states": {
        "state:value": Listed("LONG", 1, False),
        "state:disable_state": Listed("ENUM", 1, False),
        "state:enable_state": Listed("ENUM", 1, False),
        "state:my_stately_state": Listed("LONG", 1, False),
    },
    "subgroups": {
        "subgroups:group1:random": Listed("LONG", 1, False),
        "subgroups:group2:random": Listed("LONG", 1, False),
        "subgroups:group3:random": Listed("LONG", 1, False),
    },
    "thermo_sim": {
        "thermo:I": Listed("DOUBLE", 1, True),
        "thermo:SP": Listed("DOUBLE", 1, False),
        "thermo:K": Listed("DOUBLE", 1, False),
        "thermo:omega": Listed("DOUBLE", 1, False),
        "thermo:Tvar": Listed("DOUBLE", 1, False),
    },
    "too_clever.caproto_to_ophyd": {
        "integration:exit": Listed("LONG", 1, False),
        "integration:random1": Listed("LONG", 1, False),
        "integration:random2": Listed("LONG", 1, False),
        "integration:get_random:low": Listed("LONG", 1, False),
        "integration:get_random:high": Listed("LONG", 1, False),
        "integration:get_random:Status": Listed("CHAR", 256, True),
        "integration:get_random:Retval": Listed("LONG", 1, True),
        "integration:get_random:Process": Listed("LONG", 1, False),
    },
    "too_clever.dynamic_calc": {
        "dyncalc:formula": Listed("STRING", 1, False),
        "dyncalc:formula.PROC": Listed("LONG", 1, False),
        "dyncalc:output": Listed("DOUBLE", 1, False),
        "dyncalc:variables": Listed("STRING", 100, False),
    },
    "too_clever.dynamic_pvgroups": {
        "groups:A1": Listed("LONG", 1, False),
        "groups:A1_RBV": Listed("LONG", 1, False),
        "groups:A2": Listed("LONG", 1, False),
        "groups:A2_RBV": Listed("LONG", 1, False),
        "groups:A3": Listed("LONG", 1, False),
        "groups:A3_RBV": Listed("LONG", 1, False),
        "groups:B1_A": Listed("LONG", 1, False),
        "groups:B1_B": Listed("LONG", 1, False),
        "groups:B2_A": Listed("LONG", 1, False),
        "groups:B2_B": Listed("LONG", 1, False),
        "groups:B3_A": Listed("LONG", 1, False),
        "groups:B3_B": Listed("LONG", 1, False),
    },
    "too_clever.trigger_with_pc": {
        "trigger_with_pc:gain": Listed("DOUBLE", 1, False),
        "trigger_with_pc:exposure_time": Listed("DOUBLE", 1, False),
        "trigger_with_pc:reading": Listed("DOUBLE", 1, False),
        "trigger_with_pc:acquire": Listed("ENUM", 1, False),
        "trigger_with_pc:enabled": Listed("ENUM", 1, False),
        "trigger_with_pc:wait": Listed("DOUBLE", 1, False),
        "trigger_with_pc:wait_time": Listed("LONG", 1, False),
    },
}
