"""The Calls REST API, as Twilio answers it."""
