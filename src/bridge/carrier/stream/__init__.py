"""Twilio's end of Media Streams: the client that connects to the customer's socket."""
