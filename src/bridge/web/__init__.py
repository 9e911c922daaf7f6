"""The HTTP and WebSocket surface: Twilio-facing, app-facing and operations routes."""
