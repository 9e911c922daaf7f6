"""Twilio's HTTP side: signatures, TwiML, the Calls API and status callbacks."""
