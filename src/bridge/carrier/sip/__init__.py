"""The carrier on SIP: phones that register, trunks, and any address that can be called."""
