"""The local carrier: Twilio's place taken on the wire. It may not import what the server is made of."""
