"""A thermostat: the IOC of the tutorial."""

# --- imports
from caproto import CaprotoValueError, SkipWrite
from caproto.server import PVGroup, SubGroup, ioc_arg_parser, pvproperty, run


# --- oven
class Oven(PVGroup):
    """An oven in simulation."""

    setpoint = pvproperty(value=20.0, units="C", precision=1, doc="Where the temperature should go")
    temperature = pvproperty(
        value=20.0,
        record="ai",
        read_only=True,
        units="C",
        precision=1,
        upper_warning_limit=200.0,
        upper_alarm_limit=220.0,
        doc="How hot it is",
    )
    mode = pvproperty(value="off", enum_strings=["off", "heat"], doc="What the oven does")

    # --- putter
    @setpoint.putter
    async def setpoint(self, instance, value):
        if value > 250:
            raise CaprotoValueError(f"{value} C would melt the oven")
        if value < 0:
            raise SkipWrite()
        return round(value, 1)

    # --- scan
    @temperature.scan(period=0.1)
    async def temperature(self, instance, async_lib):
        target = self.setpoint.value if self.mode.value == "heat" else 20.0
        await instance.write(instance.value + 0.1 * (target - instance.value))

    # --- startup
    @mode.startup
    async def mode(self, instance, async_lib):
        self.log.info("the oven is %s", instance.value)

    # --- shutdown
    @mode.shutdown
    async def mode(self, instance, async_lib):
        await instance.write("off")


# --- bakery
class Bakery(PVGroup):
    """Two ovens."""

    left = SubGroup(Oven, prefix="left:")
    right = SubGroup(Oven, prefix="right:")


# --- main
if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="bakery:", desc=Bakery.__doc__)
    ioc = Bakery(**ioc_options)
    run(ioc.pvdb, **run_options)
