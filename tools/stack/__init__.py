"""The whole product on loopback, as child processes, for the demo, kill tests and measurements.

Must not import the gateway: it is started and asked through its command line and its doors only.
"""

from tools.stack.child import NotUp
from tools.stack.stack import Stack

__all__ = ["NotUp", "Stack"]
