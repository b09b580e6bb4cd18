"""Velodrome: stand-ins that execute for real behind AWS's own interfaces, and the runtime that starts them."""

__version__ = "0.1.0"
