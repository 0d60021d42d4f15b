"""The pod network: addresses, links and host ports. It does not know pods beyond their UID, nor name services.

Of Services it knows the addresses alone.
"""

from pillion.network.bridge import BridgeNetwork
from pillion.network.leases import LeaseBook, bridge_name, open_book
from pillion.network.protocol import (
    AddressesExhaustedError,
    HostPortInUseError,
    Network,
    NetworkError,
    NoFreeSubnetError,
)
from pillion.network.services import ServiceNetwork

__all__ = [
    "AddressesExhaustedError",
    "BridgeNetwork",
    "HostPortInUseError",
    "LeaseBook",
    "Network",
    "NetworkError",
    "NoFreeSubnetError",
    "ServiceNetwork",
    "bridge_name",
    "open_book",
]
