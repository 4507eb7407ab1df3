"""Declare the compiled codec; everything else about the package is in pyproject.toml.

``CAPROTO_BUILD_CODEC`` decides what happens to it:

* ``auto`` (default): build it if that works here; otherwise install without it and say so.
* ``yes``: build it or fail.
* ``no``: do not try; the wheel is pure Python.
"""

import glob
import os
import sys

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

BUILD = os.environ.get("CAPROTO_BUILD_CODEC") or "auto"
WARNINGS_ARE_ERRORS = os.environ.get("CAPROTO_CODEC_WERROR") == "1"

if BUILD not in ("auto", "yes", "no"):
    sys.exit(f"CAPROTO_BUILD_CODEC={BUILD!r} is not one of auto, yes, no")


def numpy_include() -> list[str]:
    try:
        import numpy
    except ImportError:
        return []
    return [numpy.get_include()]


def compile_args() -> list[str]:
    if sys.platform == "win32":
        return ["/O2"]
    args = ["-O3"]
    if WARNINGS_ARE_ERRORS:
        # Cython emits helpers that a given module may not call.
        args += ["-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-Wno-unused-parameter"]
        args += ["-Wno-missing-field-initializers", "-Wno-cast-function-type", "-Wno-unknown-warning-option"]
    return args


class build_codec(build_ext):
    """Say in plain words what an optional extension that did not build means."""

    def build_extension(self, ext: Extension) -> None:
        try:
            super().build_extension(ext)
        except (CCompilerError, BaseError) as error:
            if ext.optional:
                print(f"caproto: the compiled codec could not be built ({error}).", file=sys.stderr)
                print("caproto: the plain Python codec is in use.", file=sys.stderr)
            raise


codec = Extension(
    "caproto._codec",
    sources=["caproto/_codec.pyx"],
    depends=["caproto/_swap.h", *sorted(glob.glob("caproto/_codec_*.pxi"))],
    include_dirs=["caproto", *numpy_include()],
    define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
    extra_compile_args=compile_args(),
    optional=BUILD == "auto",
)

setup(ext_modules=[] if BUILD == "no" else [codec], cmdclass={"build_ext": build_codec})
