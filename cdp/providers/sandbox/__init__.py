"""The sandbox: all channels, without leaving the machine."""
