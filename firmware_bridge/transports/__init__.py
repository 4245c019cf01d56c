"""Ways to a board: this machine, its card in a reader, SSH, a serial line. None of them is trusted.

Whatever arrives is verified by the board's own `edge-sdk install`, from the signature on.
"""

from firmware_bridge.transports.transport import Done, Transport, TransportError
from firmware_bridge.transports.ways import open_board

__all__ = ["Done", "Transport", "TransportError", "open_board"]
