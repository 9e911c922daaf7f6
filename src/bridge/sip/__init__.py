"""SIP and its media without I/O: messages, transactions, dialogs, digest, SDP, RTP, as values."""
