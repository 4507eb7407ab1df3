"""Check an installation that has no compiled codec (CI runs this outside the checkout)."""

import importlib
import os
import sys

os.environ.pop("CAPROTO_CODEC", None)
caproto = importlib.import_module("caproto")
assert caproto.codec_name == "python", caproto.codec_name

circuit = caproto.VirtualCircuit(our_role=caproto.CLIENT, address=("127.0.0.1", 5064), priority=0)
sent = b"".join(bytes(part) for part in circuit.send(caproto.VersionRequest(priority=0, version=13)))
assert sent == bytes(7) + b"\x0d" + bytes(8), sent
(response,), _ = circuit.recv(bytes(caproto.VersionResponse(version=13)))
circuit.process_command(response)

for name in [name for name in sys.modules if name == "caproto" or name.startswith("caproto.")]:
    del sys.modules[name]
os.environ["CAPROTO_CODEC"] = "cython"
try:
    importlib.import_module("caproto")
except ImportError as error:
    assert "CAPROTO_CODEC" in str(error) and "cython" in str(error), error
    print(f"plain codec works; CAPROTO_CODEC=cython says: {error}")
else:
    sys.exit("CAPROTO_CODEC=cython was silently replaced")
