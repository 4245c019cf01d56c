"""Public speech enhancers that a package registry has together with their trained weights, to stand beside our models.

Nothing of them is part of this repository: `make bench-peers` installs them into an environment of their own.
"""

from tools.peers.aligned import Aligned, delay_of
from tools.peers.native import NATIVE
from tools.peers.networks import NETWORKS
from tools.peers.peer import Peer

PEERS: tuple[Peer, ...] = (*NATIVE, *NETWORKS)

__all__ = ["PEERS", "Aligned", "Peer", "delay_of"]
