"""The ASGI server under the application: uvicorn, with a shutdown that finishes calls first."""
